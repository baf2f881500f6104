/* The pool thread has a path and a digest of its own. The loop thread removes only the very file
 * that was read: a sound one may have taken its name meanwhile. */
#include "coordinator/input_doubts.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"
#include "coordinator/store.h"

/* Of the pool's four threads: submissions take two, and results are hashed there, too. */
#define READ_AT_ONCE 1

struct input_doubt {
    uv_work_t work;
    struct coordinator *c; /* NULL: canceled */
    struct input_doubt *next;
    struct digest digest;
    char *path;
    struct stat seen; /* before it was read */
    bool damaged;
};

static void read_it(uv_work_t *work)
{
    struct input_doubt *d = work->data;
    struct digest found;
    d->damaged = stat(d->path, &d->seen) == 0 && digest_of_file(d->path, &found, NULL, NULL) &&
                 !digest_equal(&found, &d->digest);
}

static bool is_the_same(const struct input_doubt *d)
{
    struct stat now;
    return stat(d->path, &now) == 0 && now.st_dev == d->seen.st_dev &&
           now.st_ino == d->seen.st_ino && now.st_size == d->seen.st_size &&
           now.st_mtim.tv_sec == d->seen.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == d->seen.st_mtim.tv_nsec;
}

/* It may be a task's output as well. */
static void reopen_task(void *context, const struct output_record *output)
{
    struct coordinator *c = context;
    farm_output_missing(c->farm, &output->task, output->index == CHECKPOINT_OUTPUT, shell_now(c));
}

static void remove_it(const struct input_doubt *d)
{
    struct error err = {0};
    char hex[DIGEST_TEXT_SIZE];
    digest_text(&d->digest, hex);
    if (!artifacts_remove_damaged(d->c->artifacts, &d->digest, &err)) {
        log_error("the damaged input sha256:%s stays: %s", hex, err.message);
        return;
    }
    log_warn("an input was damaged and is removed: clips that start from it wait until it is sent "
             "again sha256=%s",
             hex);
    if (!store_each_use(d->c->store, &d->digest, reopen_task, d->c, &err))
        log_error("%s", err.message);
    shell_stir(d->c);
}

static void leave_list(struct input_doubt *d)
{
    struct input_doubt **at = &d->c->doubts.first;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    d->c->doubts.count--;
}

static void on_read(uv_work_t *work, int status)
{
    struct input_doubt *d = work->data;
    (void)status; /* work that was called off has found nothing damaged */
    if (d->c != NULL) {
        leave_list(d);
        if (d->damaged && is_the_same(d)) remove_it(d);
    }
    free(d->path);
    free(d);
}

static bool is_being_read(const struct coordinator *c, const struct digest *digest)
{
    for (const struct input_doubt *d = c->doubts.first; d != NULL; d = d->next)
        if (digest_equal(&d->digest, digest)) return true;
    return false;
}

static void look_at(struct coordinator *c, const struct digest *digest)
{
    if (c->doubts.count == READ_AT_ONCE || is_being_read(c, digest)) return;
    char *path = artifacts_path(c->artifacts, digest);
    if (path == NULL) return; /* who submits it again is asked for it already */
    struct input_doubt *d = xcalloc(1, sizeof(*d));
    *d = (struct input_doubt){.c = c, .next = c->doubts.first, .digest = *digest, .path = path};
    d->work.data = d;
    c->doubts.first = d;
    c->doubts.count++;
    int code = uv_queue_work(&c->loop, &d->work, read_it, on_read);
    ZOE_ASSERT(code == 0); /* it fails for a missing callback only */
}

void input_doubts_look(struct coordinator *c, const struct digest *files, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        look_at(c, &files[i]);
}

void input_doubts_cancel(struct input_doubts *d)
{
    for (struct input_doubt *i = d->first; i != NULL; i = i->next)
        i->c = NULL;
    *d = (struct input_doubts){.first = NULL};
}

#include "coordinator/backup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "coordinator/store_check.h"

#define BUDGET_NS (4 * NS_PER_MS) /* of a turn */
#define REST_NS NS_PER_MS         /* between two */

struct backup {
    struct coordinator *c; /* NULL: it is gone, the pool thread still reads */
    struct store_backup *copy;
    char *path, *part;
    zsock_peer peer;
    uint64_t request;
    int64_t begun_ns, longest_ns;
    uv_work_t work;
    bool sound;
    uint64_t size_bytes;
    struct error why;
};

static void free_backup(struct backup *b)
{
    store_backup_end(b->copy);
    free(b->path);
    free(b->part);
    free(b);
}

static void forget(struct backup *b)
{
    if (b->c != NULL) b->c->backup = NULL;
    free_backup(b);
}

/* ---- the answer ---- */

static void answer(struct backup *b)
{
    struct coordinator *c = b->c;
    Farm__BackupMade m = FARM__BACKUP_MADE__INIT;
    struct reply r;
    reply_init(&r);
    m.path = reply_text(&r, b->path, LIMIT_FOLDER_BYTES);
    m.size_bytes = b->size_bytes;
    m.took_ms = (uint64_t)((clock_now_ns() - b->begun_ns) / NS_PER_MS);
    log_info("backup made file=%s bytes=%llu ms=%llu longest_pause_us=%lld", b->path,
             (unsigned long long)m.size_bytes, (unsigned long long)m.took_ms,
             (long long)(b->longest_ns / NS_PER_US));
    (void)outbound_reply(&c->outbound, true, b->peer, b->request, FARM__ENVELOPE__BODY_BACKUP_MADE,
                         &m.base, OUTBOUND_ALWAYS);
    reply_finish(&r);
}

static void fail(struct backup *b, const struct error *why)
{
    log_warn("no backup: %s", why->message);
    (void)outbound_problem(&b->c->outbound, true, b->peer, b->request, why, OUTBOUND_ALWAYS);
    shell_stir(b->c);
    forget(b);
}

/* ---- the copy is complete: reading and naming it (pool thread) ---- */

static bool place(struct backup *b)
{
    struct stat info;
    char *folder = path_dirname(b->path);
    bool ok = store_check_copy(b->part, &b->why) && path_fsync_file(b->part, &b->why);
    if (ok && stat(b->part, &info) == 0) b->size_bytes = (uint64_t)info.st_size;
    if (ok && link(b->part, b->path) != 0)
        ok = error_set_errno(&b->why, errno, "%s cannot be made", b->path);
    (void)unlink(b->part);
    ok = ok && path_fsync_folder(folder, &b->why);
    free(folder);
    return ok;
}

static void place_work(uv_work_t *work)
{
    struct backup *b = work->data;
    b->sound = place(b);
}

static void on_placed(uv_work_t *work, int status)
{
    struct backup *b = work->data;
    if (status != 0) {
        b->sound = error_set(&b->why, ERROR_INTERRUPTED, "the coordinator is stopping");
        (void)unlink(b->part);
    }
    if (b->c == NULL) {
        free_backup(b);
    } else if (b->sound) {
        answer(b);
        shell_stir(b->c);
        forget(b);
    } else {
        fail(b, &b->why);
    }
}

static void finish_copy(struct backup *b)
{
    store_backup_end(b->copy);
    b->copy = NULL;
    b->work.data = b;
    if (uv_queue_work(&b->c->loop, &b->work, place_work, on_placed) != 0)
        on_placed(&b->work, UV_ECANCELED);
}

/* ---- the copy ---- */

void backup_step(struct coordinator *c)
{
    struct backup *b = c->backup;
    struct error err = {0};
    bool done = false;
    if (b == NULL || b->copy == NULL || c->unwell || store_is_dirty(c->store)) return;
    const int64_t begun_ns = clock_now_ns();
    bool ok = store_backup_step(b->copy, BUDGET_NS, &done, &err);
    const int64_t took_ns = clock_now_ns() - begun_ns;
    if (took_ns > b->longest_ns) b->longest_ns = took_ns;
    if (!ok)
        fail(b, &err);
    else if (done)
        finish_copy(b);
}

int64_t backup_next(const struct coordinator *c, int64_t now_ns)
{
    bool copying = c->backup != NULL && c->backup->copy != NULL;
    return copying && !c->unwell ? now_ns + REST_NS : INT64_MAX;
}

void backup_finish(struct coordinator *c)
{
    struct backup *b = c->backup;
    if (b == NULL) return;
    c->backup = NULL;
    b->c = NULL;
    if (b->copy != NULL) free_backup(b);
}

/* ---- asking ---- */

static bool may_be_made(const struct coordinator *c, const char *path, struct error *err)
{
    if (path[0] != '/') return error_set(err, ERROR_USAGE, "%s is not an absolute path", path);
    if (path_exists(path))
        return error_set(err, ERROR_REFUSED, "%s exists already: give the backup another name",
                         path);
    if (c->backup != NULL)
        return error_set(err, ERROR_STATE, "a backup to %s is under way", c->backup->path);
    return shell_is_well(c, err);
}

static struct backup *begin(struct coordinator *c, const char *path, struct error *err)
{
    struct backup *b = xcalloc(1, sizeof(*b));
    b->c = c;
    b->path = xstrdup(path);
    b->part = xasprintf("%s.part", path);
    b->begun_ns = clock_now_ns();
    (void)unlink(b->part); /* of one that was broken off */
    b->copy = store_backup_begin(c->store, b->part, err);
    if (b->copy != NULL) return b;
    free_backup(b);
    return NULL;
}

void backup_wanted(struct dispatch *d)
{
    struct coordinator *c = d->c;
    struct error err = {0};
    const char *path = d->envelope->backup_wanted->path;
    d->unchanged = c->backup != NULL && strcmp(c->backup->path, path) == 0;
    if (!d->unchanged) {
        struct backup *b = may_be_made(c, path, &err) ? begin(c, path, &err) : NULL;
        if (b == NULL) {
            dispatch_problem(d, &err);
            return;
        }
        c->backup = b;
    }
    c->backup->peer = d->peer;
    c->backup->request = d->envelope->request;
    shell_stir(c);
}

/* Folders of batches: those of removed ones go, those of others are tidied at the start. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/publisher.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

#define AGAIN_NS (60 * NS_PER_S)

struct removal {
    struct publisher *owner;
    uv_work_t work;
    char batch[ID_BATCH_SIZE];
    char *folder; /* in renders/ */
    char *from;
    char *path;
    char *renders;
    bool hidden;
    bool gone;
};

static bool hide(const struct removal *r, struct error *err)
{
    if (rename(r->from, r->path) == 0 || errno == ENOENT) return true;
    return error_set_errno(err, errno, "cannot move %s away", r->from);
}

/* Gone for good before anybody forgets that it has to go. What has the hidden name already goes
 * first: a prepared folder that never got its own, or what was left of an earlier try. */
static void remove_work(uv_work_t *work)
{
    struct removal *r = work->data;
    struct error err = {0};
    r->gone = path_remove_tree(r->path, &err) &&
              (r->hidden || (hide(r, &err) && path_remove_tree(r->path, &err))) &&
              path_fsync_folder(r->renders, &err);
    if (!r->gone) log_warn("cannot remove %s: %s", r->from, err.message);
}

static void free_removal(struct removal *r)
{
    free(r->folder);
    free(r->from);
    free(r->path);
    free(r->renders);
    free(r);
}

static void note_end(struct publisher *p, const struct removal *r)
{
    free(table_remove_text(&p->refused, r->batch));
    if (r->gone) {
        store_removal_done(p->c->store, r->batch);
    } else {
        p->remove_again_ns = shell_now(p->c) + AGAIN_NS;
        (void)table_set_text(&p->refused, r->batch, xstrdup(r->folder));
    }
    shell_stir(p->c);
}

static void on_removed(uv_work_t *work, int status)
{
    struct removal *r = work->data;
    struct publisher *p = r->owner;
    (void)status;
    bool is_told = p->c != NULL && !p->c->closed; /* otherwise the next start goes on with it */
    if (is_told) note_end(p, r);
    (void)table_remove_text(&p->removals, r->batch);
    free_removal(r);
    publisher_free_if_done(p);
}

/* The hidden name is that of a prepared folder: a start removes it when no batch claims it. */
void publisher_remove_batch(struct publisher *p, const char *batch, const char *folder)
{
    if (table_get_text(&p->removals, batch) != NULL) return;
    struct removal *r = xcalloc(1, sizeof(*r));
    r->owner = p;
    (void)snprintf(r->batch, sizeof(r->batch), "%s", batch);
    r->folder = xstrdup(folder);
    r->from = path_join(p->c->renders, folder);
    r->path = xasprintf("%s/.tmp-%s", p->c->renders, batch);
    r->renders = xstrdup(p->c->renders);
    r->work.data = r;
    fault_point("removal.committed");
    r->hidden = hide(r, NULL);
    fault_point("removal.renamed");
    (void)table_set_text(&p->removals, r->batch, r);
    if (uv_queue_work(p->loop, &r->work, remove_work, on_removed) != 0) on_removed(&r->work, 0);
}

void publisher_remove_again(struct publisher *p, int64_t now_ns)
{
    const void *batch = NULL;
    const char *folder = NULL;
    if (p->refused.count == 0 || now_ns < p->remove_again_ns) return;
    struct table refused = p->refused;
    table_init(&p->refused);
    for (size_t i = 0; (folder = table_next(&refused, &i, &batch, NULL)) != NULL;)
        publisher_remove_batch(p, batch, folder);
    table_finish_all(&refused);
}

struct sweep {
    struct coordinator *c;
    const char *batch;
};

static bool is_publishing(void *context, uint64_t clip)
{
    const struct sweep *s = context;
    return farm_clip_state(s->c->farm, s->batch, (uint32_t)clip) == CLIP_PUBLISHING;
}

static void sweep_folder(struct coordinator *c, const char *batch)
{
    const char *folder = catalog_folder(&c->catalog, batch);
    if (folder == NULL) return;
    struct error err = {0};
    struct sweep s = {c, batch};
    char *path = path_join(c->renders, folder);
    if (path_is_folder(path) && !publish_sweep(path, is_publishing, &s, &err)) {
        log_warn("cannot tidy %s: %s", path, err.message);
    }
    free(path);
}

void publisher_sweep(struct publisher *p)
{
    struct batch_info info;
    for (uint64_t i = 0; farm_batch_at(p->c->farm, i, &info); i++) {
        if (info.state == BATCH_DONE) continue;
        char batch[ID_BATCH_SIZE];
        (void)snprintf(batch, sizeof(batch), "%s", info.id);
        sweep_folder(p->c, batch);
    }
}

/* Folders of batches: those of removed ones go, those of others are tidied at the start. */
#include <stdio.h>
#include <stdlib.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/publisher.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

struct removal {
    struct publisher *owner;
    uv_work_t work;
    char batch[ID_BATCH_SIZE];
    char *path;
    char *renders;
    bool gone;
};

/* Gone for good before anybody forgets that it has to go. */
static void remove_work(uv_work_t *work)
{
    struct removal *r = work->data;
    struct error err = {0};
    r->gone = path_remove_tree(r->path, &err) && path_fsync_folder(r->renders, &err);
    if (!r->gone) log_warn("cannot remove %s: %s", r->path, err.message);
}

static void on_removed(uv_work_t *work, int status)
{
    struct removal *r = work->data;
    struct publisher *p = r->owner;
    (void)status;
    bool is_told = p->c != NULL && !p->c->closed; /* otherwise the next start goes on with it */
    if (r->gone && is_told) {
        store_removal_done(p->c->store, r->batch);
        shell_stir(p->c);
    }
    free(r->path);
    free(r->renders);
    free(r);
    p->removing--;
    publisher_free_if_done(p);
}

/* The hidden name is that of a prepared folder: a start removes it when no batch claims it. */
void publisher_remove_batch(struct publisher *p, const char *batch, const char *folder)
{
    struct removal *r = xcalloc(1, sizeof(*r));
    char *from = path_join(p->c->renders, folder);
    r->owner = p;
    (void)snprintf(r->batch, sizeof(r->batch), "%s", batch);
    r->path = xasprintf("%s/.tmp-%s", p->c->renders, batch);
    r->renders = xstrdup(p->c->renders);
    r->work.data = r;
    fault_point("removal.committed");
    if (path_exists(from) && rename(from, r->path) != 0) log_warn("cannot move %s away", from);
    fault_point("removal.renamed");
    free(from);
    p->removing++;
    if (uv_queue_work(p->loop, &r->work, remove_work, on_removed) != 0) on_removed(&r->work, 0);
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

/* One clip and what is stored of it: its segments in order and the latents of its last window. */
#include <string.h>

#include "coordinator/client_requests.h"
#include "coordinator/shell.h"
#include "coordinator/task_place.h"

struct parts {
    struct reply reply;
    struct plan plan;
    uint32_t last; /* task of the last window */
    Farm__ClipParts m;
    Farm__Clip clip;
};

static void add_segment(struct parts *p, const struct plan_task *task, const struct output *o)
{
    if (!task->published) return;
    if (p->m.n_segments == LIMIT_CLIP_PARTS) {
        p->m.truncated = true;
        return;
    }
    Farm__ClipPart *part = reply_alloc(&p->reply, 1, sizeof(*part));
    *part = (Farm__ClipPart)FARM__CLIP_PART__INIT;
    part->task = task->number;
    part->first = task->made_first;
    part->frames = task->made_frames;
    part->sha256 = reply_digest(&p->reply, &o->sha256);
    part->size_bytes = o->size_bytes;
    size_t at = p->m.n_segments++;
    for (; at > 0 && p->m.segments[at - 1]->first > part->first; at--)
        p->m.segments[at] = p->m.segments[at - 1];
    p->m.segments[at] = part;
}

static void add_latents(struct parts *p, const struct plan_task *task, const struct output *o)
{
    if (task->number != p->last) return;
    p->m.latents = reply_digest(&p->reply, &o->sha256);
    p->m.latents_bytes = o->size_bytes;
    p->m.latents_first = task->first;
    p->m.latents_frames = task->frames;
}

static void add_output(void *context, const struct output_record *row)
{
    struct parts *p = context;
    struct plan_task task;
    if (row->index == CHECKPOINT_OUTPUT || row->task.task >= plan_task_count(&p->plan)) return;
    plan_task(&p->plan, row->task.task, &task);
    if (strcmp(row->output.kind, "segment") == 0) add_segment(p, &task, &row->output);
    if (strcmp(row->output.kind, "latents") == 0) add_latents(p, &task, &row->output);
}

static bool fill(struct dispatch *d, struct parts *p, const char *batch, uint32_t clip,
                 struct error *err)
{
    struct shape shape;
    p->m.batch = reply_name(&p->reply, batch, ID_BATCH_LENGTH);
    p->m.clip = &p->clip;
    p->m.segments = reply_alloc(&p->reply, LIMIT_CLIP_PARTS, sizeof(*p->m.segments));
    if (!client_requests_fill_clip(d, &p->reply, batch, clip, &p->clip, err) ||
        !task_place_shape(d->c, batch, clip, &shape, err))
        return false;
    p->plan = shape.plan;
    p->last = plan_last(&shape.plan);
    return store_each_clip_output(d->c->store, batch, clip, add_output, p, err);
}

void client_requests_clip(struct dispatch *d)
{
    const Farm__ClipWanted *asked = d->envelope->clip_wanted;
    struct parts p = {.m = FARM__CLIP_PARTS__INIT};
    struct batch_info info;
    struct error err = {0};
    char batch[ID_BATCH_SIZE];
    if (!client_requests_find(d, asked->batch, &info)) return;
    memcpy(batch, info.id, sizeof(batch));
    if (asked->clip >= info.clips) {
        error_set(&err, ERROR_NOT_FOUND, "batch %s has no clip %llu", batch,
                  (unsigned long long)asked->clip);
        dispatch_problem(d, &err);
        return;
    }
    reply_init(&p.reply);
    if (fill(d, &p, batch, (uint32_t)asked->clip, &err)) {
        dispatch_reply(d, FARM__ENVELOPE__BODY_CLIP_PARTS, &p.m.base);
    } else {
        dispatch_problem(d, &err);
    }
    reply_finish(&p.reply);
}

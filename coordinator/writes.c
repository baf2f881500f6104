/* One row of a table an effect. */
#include "coordinator/writes.h"

#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "coordinator/publisher.h"
#include "coordinator/shell.h"
#include "coordinator/task_place.h"

static void save_batch(struct coordinator *c, const struct effect *e)
{
    struct batch_record record;
    struct batch_brief info;
    if (!farm_batch_brief(c->farm, e->batch, &info)) return; /* removed in the same turn */
    if (!farm_batch_record(c->farm, e->batch, &record)) return;
    store_batch_save(c->store, e->batch, &record, info.groups);
}

static void save_priority(struct coordinator *c, const struct effect *e)
{
    store_batch_priority(c->store, e->priority.batch, e->priority.value);
}

static void save_page(struct coordinator *c, const struct effect *e)
{
    uint8_t states[CLIPS_PER_PAGE];
    if (!farm_page(c->farm, e->page.batch, e->page.index, states)) return;
    store_page_save(c->store, e->page.batch, e->page.index, states, sizeof(states));
}

static void remove_batch(struct coordinator *c, const struct effect *e)
{
    store_batch_remove(c->store, e->batch);
}

static void save_task(struct coordinator *c, const struct effect *e)
{
    store_task_save(c->store, &e->task);
}

static void save_attempt(struct coordinator *c, const struct effect *e)
{
    store_attempt_save(c->store, &e->attempt, clock_wall_ms());
}

static void end_attempt(struct coordinator *c, const struct effect *e)
{
    store_attempt_end(c->store, &e->end, clock_wall_ms());
}

static void save_output(struct coordinator *c, const struct effect *e)
{
    if (strcmp(e->output.output.kind, "report") == 0)
        reports_save(c, &e->output);
    else
        store_output_save(c->store, &e->output);
}

static void drop_outputs(struct coordinator *c, const struct effect *e)
{
    store_outputs_drop(c->store, &e->task_key);
}

static void drop_checkpoint(struct coordinator *c, const struct effect *e)
{
    store_checkpoint_drop(c->store, &e->task_key);
}

/* Stage 0 of an upscaled clip is no part of the video. */
static uint32_t first_published(const struct plan *plan)
{
    struct plan_task task;
    const uint32_t tasks = plan_task_count(plan);
    for (uint32_t i = 0; plan_stages(plan) > 1 && i < tasks; i++) {
        plan_task(plan, i, &task);
        if (task.published) return i;
    }
    return 0;
}

/* Without a plan to ask, what may be of use is kept for the shorter time. */
static void retire_clip(struct coordinator *c, const struct effect *e)
{
    struct shape shape;
    struct error err = {0};
    const bool forever = c->options.keep_segments;
    const int64_t now_ms = clock_wall_ms();
    struct store_retirement kept = {.segments_until_ms = forever ? 0 : now_ms + SEGMENTS_KEEP_MS,
                                    .latents_until_ms = forever ? 0 : now_ms + LATENTS_KEEP_MS};
    if (task_place_shape(c, e->task_key.batch, e->task_key.clip, &shape, &err)) {
        kept.first_segment = first_published(&shape.plan);
        kept.latents = plan_last(&shape.plan);
    } else {
        log_warn("the plan of %s/%u is not known: %s", e->task_key.batch, e->task_key.clip,
                 err.message);
    }
    store_clip_retire(c->store, e->task_key.batch, e->task_key.clip, &kept);
}

static void save_clip(struct coordinator *c, const struct effect *e)
{
    struct batch_brief info;
    store_clip_save(c->store, &e->clip);
    if (e->clip.state != CLIP_PUBLISHED || !farm_batch_brief(c->farm, e->clip.batch, &info)) return;
    store_published_add(c->store, e->clip.batch, e->clip.size_bytes);
    owners_published(&c->owners, e->clip.batch, info.owner, e->clip.size_bytes);
}

static void save_worker(struct coordinator *c, const struct effect *e)
{
    store_worker_save(c->store, &e->worker);
}

static void save_event(struct coordinator *c, const struct effect *e)
{
    (void)store_event_add(c->store, &e->event);
}

static void (*const writers[EFFECT_KIND_COUNT])(struct coordinator *c, const struct effect *e) = {
    [EFFECT_SAVE_BATCH] = save_batch,     [EFFECT_SAVE_PAGE] = save_page,
    [EFFECT_REMOVE_BATCH] = remove_batch, [EFFECT_SAVE_TASK] = save_task,
    [EFFECT_SAVE_ATTEMPT] = save_attempt, [EFFECT_END_ATTEMPT] = end_attempt,
    [EFFECT_SAVE_OUTPUT] = save_output,   [EFFECT_DROP_OUTPUTS] = drop_outputs,
    [EFFECT_SAVE_CLIP] = save_clip,       [EFFECT_SAVE_WORKER] = save_worker,
    [EFFECT_EVENT] = save_event,          [EFFECT_DROP_CHECKPOINT] = drop_checkpoint,
    [EFFECT_RETIRE_CLIP] = retire_clip,   [EFFECT_SAVE_PRIORITY] = save_priority,
};

void writes_apply(struct coordinator *c)
{
    const struct effects *list = farm_effects(c->farm);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (writers[e->kind] != NULL) writers[e->kind](c, e);
    }
}

static void forget_batch(struct coordinator *c, const char *batch)
{
    struct error err = {0};
    const char *folder = catalog_folder(&c->catalog, batch);
    if (folder != NULL) publisher_remove_batch(c->publisher, batch, folder);
    if (!prompts_remove(c->prompts, batch, &err)) log_warn("%s", err.message);
    catalog_remove(&c->catalog, batch);
    owners_removed(&c->owners, batch);
}

static void clip_committed(const struct clip_record *clip)
{
    if (clip->state == CLIP_PUBLISHING) fault_point("publish.committed");
    if (clip->state == CLIP_PUBLISHED) fault_point("publish.published");
}

/* A new checkpoint takes the place of the one before. */
static bool frees_files(const struct effect *e)
{
    if (e->kind == EFFECT_SAVE_OUTPUT) return e->output.index == CHECKPOINT_OUTPUT;
    return e->kind == EFFECT_REMOVE_BATCH || e->kind == EFFECT_DROP_OUTPUTS ||
           e->kind == EFFECT_DROP_CHECKPOINT || e->kind == EFFECT_RETIRE_CLIP;
}

void writes_committed(struct coordinator *c)
{
    const struct effects *list = farm_effects(c->farm);
    bool freed = c->sweep_anew;
    c->sweep_anew = false;
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (e->kind == EFFECT_SAVE_CLIP) clip_committed(&e->clip);
        if (e->kind == EFFECT_EVENT) shell_note_event(c, e->event.batch);
        if (e->kind == EFFECT_REMOVE_BATCH) forget_batch(c, e->batch);
        freed = freed || frees_files(e);
    }
    if (!freed && !c->sweep_wanted) return;
    c->sweep_wanted = artifacts_sweep(c->artifacts, freed);
    if (c->sweep_wanted) shell_stir(c);
}

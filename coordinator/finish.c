#include "coordinator/finish.h"

#include <string.h>

#include "base/clock.h"
#include "coordinator/clip.h"
#include "coordinator/worker_core.h"

#define FULL_RETRY_NS (5 * NS_PER_S)
#define DEATHS_MAX 2 /* M1 */

static void ask(struct farm *f, const struct task *t, enum effect_kind kind)
{
    struct effect_job *job = &effects_add(&f->effects, kind)->job;
    job->task = task_key(t);
    job->shape = t->group->lane->shape;
}

static enum clip_state state_of(const struct task *t)
{
    return clip_state(t->batch, t->clip);
}

void finish_begin(struct farm *f, struct task *t)
{
    clip_set(f, t->batch, t->clip, CLIP_STITCHING);
    ask(f, t, EFFECT_STITCH);
    batch_settle(f, t->batch);
}

void finish_resume(struct farm *f, struct task *t)
{
    if (t->state != TASK_DONE) return;
    switch (state_of(t)) {
    case CLIP_STITCHING:
        ask(f, t, EFFECT_STITCH);
        break;
    case CLIP_PUBLISHING:
        ask(f, t, EFFECT_RENAME);
        break;
    case CLIP_FAILED: /* `retry` */
        t->stitch_deaths = 0;
        finish_begin(f, t);
        break;
    default:
        break;
    }
}

/* ---- forward ---- */

static void save_clip(struct farm *f, const struct task *t, enum clip_state state,
                      const struct farm_video *video)
{
    struct clip_record record = {.clip = t->clip,
                                 .state = state,
                                 .sha256 = video->sha256,
                                 .size_bytes = video->size_bytes,
                                 .sidecar_bytes = video->sidecar_bytes,
                                 .file = effects_text(&f->effects, video->file),
                                 .suspect = t->suspect,
                                 .worker = t->winner != NULL ? t->winner->name : "",
                                 .attempts = t->attempts,
                                 .why = "",
                                 .message = ""};
    memcpy(record.batch, t->batch->id, sizeof(record.batch));
    effects_add(&f->effects, EFFECT_SAVE_CLIP)->clip = record;
}

void finish_stitched(struct farm *f, struct task *t, const struct farm_video *video)
{
    if (t->state != TASK_DONE || state_of(t) != CLIP_STITCHING) return;
    save_clip(f, t, CLIP_PUBLISHING, video);
    clip_set(f, t->batch, t->clip, CLIP_PUBLISHING);
    ask(f, t, EFFECT_RENAME);
}

/* A4: a clip of one segment needs it no more. */
static void drop_outputs(struct farm *f, struct task *t)
{
    effects_add(&f->effects, EFFECT_DROP_OUTPUTS)->task_key = task_key(t);
    f->stitch_bytes -= t->output_bytes;
    t->output_bytes = 0;
}

void finish_renamed(struct farm *f, struct task *t, const struct farm_video *video)
{
    struct batch *b = t->batch;
    if (t->state != TASK_DONE || state_of(t) != CLIP_PUBLISHING) return;
    save_clip(f, t, CLIP_PUBLISHED, video);
    clip_set_published(f, b, t->clip, t->suspect != SUSPECT_NONE);
    drop_outputs(f, t);
    farm_event(f, "clip.published", b->id, t->clip, t->winner != NULL ? t->winner->name : NULL,
               video->file);
    task_save(f, t, false);
    task_close(f, t);
    batch_settle(f, b);
}

/* ---- back ---- */

static void wait_for_space(struct farm *f, struct task *t, int64_t now_ns)
{
    deadline_set(&f->timers, &t->again, now_ns + FULL_RETRY_NS);
}

static void died(struct farm *f, struct task *t, const char *message, int64_t now_ns)
{
    if (state_of(t) != CLIP_STITCHING) return;
    if (++t->stitch_deaths < DEATHS_MAX)
        ask(f, t, EFFECT_STITCH);
    else
        task_fail(f, t, "stitch", message, now_ns);
}

/* A3: the outputs are gone before their clip was published. What is being renamed needs them no
 * more, and what failed learns of it when it is retried. */
static void reopen(struct farm *f, struct task *t, int64_t now_ns)
{
    if (state_of(t) != CLIP_STITCHING) return;
    farm_event(f, "task.reopened", t->batch->id, t->clip, NULL, "a stored segment was damaged");
    drop_outputs(f, t);
    t->winner = NULL;
    t->winner_fence = 0;
    t->suspect = SUSPECT_NONE;
    task_requeue(f, t, 0, now_ns);
}

static void stitch_again(struct farm *f, struct task *t)
{
    if (state_of(t) == CLIP_PUBLISHING) clip_set(f, t->batch, t->clip, CLIP_STITCHING);
    if (state_of(t) == CLIP_STITCHING) ask(f, t, EFFECT_STITCH);
}

static bool is_under_way(const struct task *t)
{
    enum clip_state state = state_of(t);
    return t->state == TASK_DONE && (state == CLIP_STITCHING || state == CLIP_PUBLISHING);
}

void finish_failed(struct farm *f, struct task *t, enum stitch_failure failure, const char *message,
                   int64_t now_ns)
{
    if (!is_under_way(t)) return; /* late news: a failed clip is begun again by `retry` only */
    switch (failure) {
    case STITCH_FULL:
        wait_for_space(f, t, now_ns);
        break;
    case STITCH_DIED:
        died(f, t, message, now_ns);
        break;
    case STITCH_MISSING:
        reopen(f, t, now_ns);
        break;
    case STITCH_AGAIN:
        stitch_again(f, t);
        break;
    }
}

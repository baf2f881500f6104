#include "coordinator/finish.h"

#include <string.h>

#include "base/clock.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/worker_core.h"

#define RETRY_NS (5 * NS_PER_S)
#define DEATHS_MAX 2   /* M1 */
#define FAILURES_MAX 3 /* from the second on the segments were read, and are sound */

static struct task_key key_of(const struct work *w)
{
    struct task_key key = {.clip = w->clip};
    memcpy(key.batch, w->batch->id, sizeof(key.batch));
    return key;
}

static void ask(struct farm *f, const struct work *w, enum effect_kind kind)
{
    struct effect_job *job = &effects_add(&f->effects, kind)->job;
    job->task = key_of(w);
    job->shape = w->group->shape;
    job->doubted = w->stitch_failures > 0;
}

static enum clip_state state_of(const struct work *w)
{
    return clip_state(w->batch, w->clip);
}

void finish_begin(struct farm *f, struct work *w)
{
    clip_set(f, w->batch, w->clip, CLIP_STITCHING);
    ask(f, w, EFFECT_STITCH);
    batch_settle(f, w->batch);
}

void finish_resume(struct farm *f, struct work *w)
{
    if (state_of(w) == CLIP_STITCHING) ask(f, w, EFFECT_STITCH);
    if (state_of(w) == CLIP_PUBLISHING) ask(f, w, EFFECT_RENAME);
}

static void space_due(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    finish_resume(f, subject);
}

void finish_init(struct work *w)
{
    deadline_init(&w->again, w, space_due);
}

/* ---- the clip as its tasks make it ---- */

static const struct task *last_task(const struct work *w)
{
    const struct task *last = NULL;
    CHAIN_EACH(link, &w->tasks)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (last == NULL || t->number > last->number) last = t;
    }
    return last;
}

static const char *maker_of(const struct work *w)
{
    const struct task *t = last_task(w);
    return t != NULL && t->winner != NULL ? t->winner->name : NULL;
}

static bool is_seen(const struct task *t)
{
    struct plan_task plan;
    plan_task(&t->group->shape.plan, t->number, &plan);
    return plan.published && plan.made_frames > 0;
}

/* Segments that do not move may still differ: `still` is told of clips of one task only. */
static enum suspect suspect_of(const struct work *w)
{
    const struct task *only = CHAIN_OWNER(w->tasks.next, struct task, of_work);
    if (w->group->tasks == 1) return only->suspect;
    CHAIN_EACH(link, &w->tasks)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (is_seen(t) && t->suspect != SUSPECT_BLACK) return SUSPECT_NONE;
    }
    return SUSPECT_BLACK;
}

/* ---- forward ---- */

static void save_clip(struct farm *f, const struct work *w, enum clip_state state,
                      const struct farm_video *video)
{
    const char *maker = maker_of(w);
    struct clip_record record = {.clip = w->clip,
                                 .state = state,
                                 .sha256 = video->sha256,
                                 .size_bytes = video->size_bytes,
                                 .sidecar_bytes = video->sidecar_bytes,
                                 .file = effects_text(&f->effects, video->file),
                                 .suspect = suspect_of(w),
                                 .worker = maker != NULL ? maker : "",
                                 .attempts = work_attempts(w),
                                 .why = "",
                                 .message = ""};
    memcpy(record.batch, w->batch->id, sizeof(record.batch));
    effects_add(&f->effects, EFFECT_SAVE_CLIP)->clip = record;
}

void finish_stitched(struct farm *f, struct work *w, const struct farm_video *video)
{
    if (state_of(w) != CLIP_STITCHING) return;
    save_clip(f, w, CLIP_PUBLISHING, video);
    clip_set(f, w->batch, w->clip, CLIP_PUBLISHING);
    ask(f, w, EFFECT_RENAME);
}

/* A4: a clip without a plan needs its segment no more; what may be extended keeps its own for a
 * while, even where one task made all of it. */
static void let_outputs_go(struct farm *f, const struct work *w)
{
    bool planned = w->group->shape.plan.method != PLAN_WHOLE;
    effects_add(&f->effects, planned ? EFFECT_RETIRE_CLIP : EFFECT_DROP_OUTPUTS)->task_key =
        key_of(w);
}

static void close_tasks(struct farm *f, struct work *w)
{
    CHAIN_EACH(link, &w->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, of_work);
        f->stitch_bytes -= t->output_bytes;
        t->output_bytes = 0;
        task_save(f, t, false);
        task_close(f, t);
    }
    work_close(f, w);
}

void finish_renamed(struct farm *f, struct work *w, const struct farm_video *video)
{
    struct batch *b = w->batch;
    if (state_of(w) != CLIP_PUBLISHING) return;
    save_clip(f, w, CLIP_PUBLISHED, video);
    clip_set_published(f, b, w->clip, suspect_of(w) != SUSPECT_NONE);
    let_outputs_go(f, w);
    farm_event(f, "clip.published", b->id, w->clip, maker_of(w), video->file);
    close_tasks(f, w);
    batch_settle(f, b);
}

/* No event for each: they come by the thousand, and the clip's row says all of it. */
void finish_report(struct farm *f, struct work *w, const struct output *report)
{
    struct batch *b = w->batch;
    const struct farm_video none = {
        .sha256 = report->sha256, .size_bytes = report->size_bytes, .file = ""};
    save_clip(f, w, CLIP_PUBLISHED, &none);
    clip_set_published(f, b, w->clip, false);
    close_tasks(f, w);
    batch_settle(f, b);
}

/* ---- back ---- */

static void died(struct farm *f, struct work *w, const char *message, int64_t now_ns)
{
    if (state_of(w) != CLIP_STITCHING) return;
    if (++w->stitch_deaths < DEATHS_MAX)
        ask(f, w, EFFECT_STITCH);
    else
        work_fail(f, w, NULL, "stitch", message, now_ns);
}

static void wait(struct farm *f, struct work *w, int64_t now_ns)
{
    deadline_set(&f->timers, &w->again, now_ns + RETRY_NS);
}

static void child_failed(struct farm *f, struct work *w, const char *message, int64_t now_ns)
{
    if (state_of(w) != CLIP_STITCHING) return;
    if (++w->stitch_failures < FAILURES_MAX)
        wait(f, w, now_ns);
    else
        work_fail(f, w, NULL, "stitch", message, now_ns);
}

static void stitch_again(struct farm *f, struct work *w)
{
    if (state_of(w) == CLIP_PUBLISHING) clip_set(f, w->batch, w->clip, CLIP_STITCHING);
    if (state_of(w) == CLIP_STITCHING) ask(f, w, EFFECT_STITCH);
}

static bool is_under_way(const struct work *w)
{
    enum clip_state state = state_of(w);
    return state == CLIP_STITCHING || state == CLIP_PUBLISHING;
}

void finish_failed(struct farm *f, struct work *w, enum stitch_failure failure, const char *message,
                   int64_t now_ns)
{
    if (!is_under_way(w)) return; /* late news: a failed clip is begun again by `retry` only */
    if (failure == STITCH_FULL)
        wait(f, w, now_ns);
    else if (failure == STITCH_DIED)
        died(f, w, message, now_ns);
    else if (failure == STITCH_FAILED)
        child_failed(f, w, message, now_ns);
    else
        stitch_again(f, w);
}

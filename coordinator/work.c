#include "coordinator/work.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/attempt.h"
#include "coordinator/checkpoints.h"
#include "coordinator/clip.h"
#include "coordinator/finish.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"

/* ---- object ---- */

struct work *work_find(const struct batch *b, uint32_t clip)
{
    return table_get_u64(&b->works, clip);
}

struct work *work_of(struct batch *b, uint32_t clip)
{
    struct work *w = work_find(b, clip);
    if (w != NULL) return w;
    w = xcalloc(1, sizeof(*w));
    w->batch = b;
    w->group = clip_group(b, clip);
    w->clip = clip;
    w->fingerprint = xstrdup("");
    chain_init(&w->tasks);
    chain_init(&w->live);
    pin_init(w);
    finish_init(w);
    (void)table_set_u64(&b->works, clip, w);
    return w;
}

void work_free(struct farm *f, struct work *w)
{
    CHAIN_EACH(link, &w->tasks)
    task_free(f, CHAIN_OWNER(link, struct task, of_work));
    deadline_clear(&f->timers, &w->stranded);
    deadline_clear(&f->timers, &w->again);
    chain_remove(&w->in_pinned);
    free(w->fingerprint);
    free(w);
}

void work_close(struct farm *f, struct work *w)
{
    ZOE_ASSERT(chain_is_empty(&w->tasks) && w->done == 0);
    (void)table_remove_u64(&w->batch->works, w->clip);
    work_free(f, w);
}

/* ---- questions ---- */

bool work_is_done(const struct work *w)
{
    return w->done == w->group->tasks;
}

static bool is_stored(const struct work *w, uint32_t number)
{
    const struct task *t = task_find(w->batch, w->clip, number);
    return t != NULL && t->state == TASK_DONE;
}

bool work_has_inputs(const struct work *w, uint32_t number)
{
    struct plan_task task;
    if (w->group->tasks == 1) return true;
    plan_task(&w->group->shape.plan, number, &task);
    for (uint32_t i = 0; i < task.input_count; i++) {
        if (!is_stored(w, task.inputs[i].task)) return false;
    }
    return true;
}

bool work_has_input_of(const struct task *t, const struct worker *worker)
{
    struct plan_task plan;
    plan_task(&t->group->shape.plan, t->number, &plan);
    for (uint32_t i = 0; i < plan.input_count; i++) {
        const struct task *input = task_find(t->batch, t->clip, plan.inputs[i].task);
        if (input != NULL && input->winner == worker) return true;
    }
    return false;
}

uint32_t work_attempts(const struct work *w)
{
    uint32_t attempts = 0;
    CHAIN_EACH(link, &w->tasks)
    attempts += CHAIN_OWNER(link, struct task, of_work)->attempts;
    return attempts;
}

/* ---- going on ---- */

static struct task *reach(struct farm *f, struct work *w, uint32_t number)
{
    struct task *t = task_find(w->batch, w->clip, number);
    if (t == NULL && work_has_inputs(w, number)) t = task_open(f, w, number);
    return t;
}

void work_begin(struct farm *f, struct work *w)
{
    for (uint32_t i = 0; i < w->group->tasks; i++) {
        struct task *t = reach(f, w, i);
        if (t != NULL) task_ready(f, t);
    }
}

void work_settle(struct farm *f, struct work *w)
{
    enum clip_state old = clip_state(w->batch, w->clip);
    enum clip_state now = CLIP_RETRY;
    if (!chain_is_empty(&w->live)) now = CLIP_LEASED;
    if (old > CLIP_STITCHING || now == old || work_is_done(w)) return;
    clip_set(f, w->batch, w->clip, now);
}

struct takers { /* of a task's outputs */
    uint32_t few[PLAN_INPUTS_MAX];
    uint32_t *numbers; /* these few, or allocated */
    uint32_t count;
};

static void find_takers(struct takers *takers, const struct task *t)
{
    const struct plan *plan = &t->group->shape.plan;
    takers->numbers = takers->few;
    takers->count = plan_dependents(plan, t->number, takers->few, PLAN_INPUTS_MAX);
    if (takers->count <= PLAN_INPUTS_MAX) return;
    takers->numbers = xcalloc(takers->count, sizeof(takers->numbers[0]));
    (void)plan_dependents(plan, t->number, takers->numbers, takers->count);
}

static void free_takers(struct takers *takers)
{
    if (takers->numbers != takers->few) free(takers->numbers);
}

static void let_takers_go(struct farm *f, const struct task *t, int64_t now_ns)
{
    struct takers takers;
    find_takers(&takers, t);
    for (uint32_t i = 0; i < takers.count; i++) {
        struct task *taker = reach(f, t->work, takers.numbers[i]);
        if (taker == NULL || taker->state != TASK_WAITING) continue;
        if (t->winner != NULL) task_prefer(f, taker, t->winner, now_ns);
        task_ready(f, taker);
    }
    free_takers(&takers);
}

void work_task_done(struct farm *f, struct task *t, int64_t now_ns)
{
    struct work *w = t->work;
    w->done++;
    if (work_is_done(w)) {
        pin_update(f, w, NULL);
        finish_begin(f, w);
        return;
    }
    let_takers_go(f, t, now_ns);
    pin_update(f, w, NULL);
    work_settle(f, w);
}

void work_report_done(struct farm *f, struct task *t, const struct output *report)
{
    struct work *w = t->work;
    w->done++;
    pin_update(f, w, NULL);
    finish_report(f, w, report);
}

/* ---- back ---- */

/* It may not have fetched what is gone; if it has, it need not stop. */
static void stop_before_start(struct farm *f, struct task *t, int64_t now_ns)
{
    CHAIN_EACH(link, &t->live)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_task);
        if (a->phase >= PHASE_RENDERING) continue;
        attempt_dismiss(f, a, END_HANDED_BACK, DROP_FENCED, "what it goes on from is missing",
                        now_ns);
    }
}

static void hold_takers(struct farm *f, const struct task *t, int64_t now_ns)
{
    struct takers takers;
    find_takers(&takers, t);
    for (uint32_t i = 0; i < takers.count; i++) {
        struct task *taker = task_find(t->batch, t->clip, takers.numbers[i]);
        if (taker == NULL) continue;
        chain_remove(&taker->in_stand);
        opinion_forget_views(taker);
        if (taker->state == TASK_LEASED) stop_before_start(f, taker, now_ns);
    }
    free_takers(&takers);
}

static void undo(struct farm *f, struct task *t)
{
    struct batch *b = t->batch;
    t->work->done--;
    t->state = TASK_WAITING;
    t->counted = t->blamed_count = 0; /* T4: what was rendered once can be rendered */
    b->steps_wasted += t->steps;
    batch_dirty(f, b);
    task_drop_outputs(f, t);
}

void work_reopen(struct farm *f, struct task *t, const char *why, int64_t now_ns)
{
    struct work *w = t->work;
    enum clip_state state = clip_state(w->batch, w->clip);
    if (t->state != TASK_DONE || state > CLIP_STITCHING) return;
    farm_event(f, "task.reopened", w->batch->id, w->clip, NULL, why);
    if (w->batch->state == BATCH_CANCELED) {
        work_cancel(f, w, now_ns);
        return;
    }
    deadline_clear(&f->timers, &w->again); /* it may have waited for space */
    w->stitch_failures = 0;                /* other segments */
    undo(f, t);
    hold_takers(f, t, now_ns);
    task_requeue(f, t, 0, now_ns);
    pin_update(f, w, NULL);
    batch_refresh_group(f, w->group);
    f->dispatch_wanted = true; /* nothing may bind the clip to a fingerprint any more */
}

void work_start_over(struct farm *f, struct work *w)
{
    CHAIN_EACH(link, &w->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, of_work);
        chain_remove(&t->in_stand);
        opinion_close(f, t);
        checkpoint_drop(f, t);
        if (t->state == TASK_DONE) undo(f, t);
        if (t->attempts > 0) task_save(f, t, true);
    }
    pin_update(f, w, NULL);
    work_settle(f, w);
    work_begin(f, w);
    batch_refresh_group(f, w->group);
}

/* ---- ends ---- */

static void save_failed_clip(struct farm *f, const struct work *w, const char *why,
                             const char *message)
{
    struct clip_record record = {.clip = w->clip,
                                 .state = CLIP_FAILED,
                                 .file = "",
                                 .worker = "",
                                 .attempts = work_attempts(w),
                                 .why = effects_text(&f->effects, why),
                                 .message = effects_text(&f->effects, message)};
    memcpy(record.batch, w->batch->id, sizeof(record.batch));
    effects_add(&f->effects, EFFECT_SAVE_CLIP)->clip = record;
}

/* What is stored stays, with open rows. */
static void retire_rest(struct farm *f, struct work *w, const struct task *culprit, const char *why,
                        const char *message, int64_t now_ns)
{
    CHAIN_EACH(link, &w->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (t->state == TASK_DONE) continue;
        if (t == culprit)
            task_retire(f, t, TASK_FAILED, why, message, now_ns);
        else
            task_retire(f, t, TASK_FAILED, "dependency", "another task of its clip failed", now_ns);
    }
}

void work_fail(struct farm *f, struct work *w, struct task *t, const char *why, const char *message,
               int64_t now_ns)
{
    struct batch *b = w->batch;
    uint32_t clip = w->clip;
    deadline_clear(&f->timers, &w->again);
    save_failed_clip(f, w, why, message);
    if (t == NULL && !chain_is_empty(&w->tasks))
        task_save_why(f, CHAIN_OWNER(w->tasks.next, struct task, of_work), true, why, message);
    retire_rest(f, w, t, why, message, now_ns);
    clip_set(f, b, clip, CLIP_FAILED);
    farm_event(f, "clip.failed", b->id, clip, NULL, message);
    if (chain_is_empty(&w->tasks))
        work_close(f, w);
    else if (b->state == BATCH_CANCELED)
        work_cancel(f, w, now_ns); /* `retry` is refused: nobody would ask for what is stored */
    else
        pin_update(f, w, NULL);
    batch_settle(f, b);
}

void work_retry(struct farm *f, struct work *w)
{
    w->stitch_deaths = w->stitch_failures = 0;
    if (work_is_done(w)) {
        finish_begin(f, w);
        return;
    }
    clip_set(f, w->batch, w->clip, CLIP_RETRY);
    pin_update(f, w, NULL);
    work_begin(f, w);
}

void work_cancel(struct farm *f, struct work *w, int64_t now_ns)
{
    CHAIN_EACH(link, &w->tasks)
    task_retire(f, CHAIN_OWNER(link, struct task, of_work), TASK_CANCELED, NULL, NULL, now_ns);
    if (clip_state(w->batch, w->clip) != CLIP_FAILED) clip_set(f, w->batch, w->clip, CLIP_CANCELED);
    work_close(f, w);
}

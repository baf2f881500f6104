#include "coordinator/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/attempt.h"
#include "coordinator/checkpoints.h"
#include "coordinator/clip.h"
#include "coordinator/hazard.h"
#include "coordinator/opinion.h"
#include "coordinator/returns.h"
#include "coordinator/work.h"
#include "coordinator/worker_core.h"

/* A fence: generation of the database, round of the batch, counter. */
#define FENCE_GENERATION_SHIFT 48
#define FENCE_ROUND_SHIFT 32
#define FENCE_COUNTER_MAX UINT64_C(0x7fffffff)

static uint64_t index_of(uint32_t clip, uint32_t number)
{
    return (uint64_t)clip << 16 | number;
}

struct task *task_find(const struct batch *b, uint32_t clip, uint32_t number)
{
    return table_get_u64(&b->tasks, index_of(clip, number));
}

/* ---- fences (T1, T2) ---- */

static uint64_t fence_floor(const struct farm *f, const struct batch *b)
{
    return (uint64_t)f->config.generation << FENCE_GENERATION_SHIFT | (uint64_t)b->round
                                                                          << FENCE_ROUND_SHIFT;
}

uint64_t task_next_fence(const struct farm *f, struct task *t)
{
    uint64_t floor = fence_floor(f, t->batch);
    if (t->fence < floor) t->fence = floor;
    return ++t->fence;
}

bool task_fence_is_ours(const struct farm *f, uint64_t seen)
{
    return seen >> FENCE_GENERATION_SHIFT <= f->config.generation &&
           (seen & UINT32_MAX) <= FENCE_COUNTER_MAX;
}

bool task_fence_is_of_before(const struct farm *f, uint64_t seen)
{
    return seen >> FENCE_GENERATION_SHIFT < f->config.generation;
}

void task_jump_fence(const struct farm *f, struct task *t, uint64_t seen)
{
    if (task_fence_is_ours(f, seen) && seen > t->fence) t->fence = seen;
}

/* ---- life ---- */

void task_ready(struct farm *f, struct task *t)
{
    bool held = t->state != TASK_WAITING || deadline_is_set(&t->again);
    if (held || !chain_is_empty(&t->in_stand)) return;
    if (!work_has_inputs(t->work, t->number)) return; /* the last of them will say */
    chain_append(&t->stand->tasks, &t->in_stand);
    f->dispatch_wanted = true;
    batch_refresh_group(f, t->group);
}

static void due_again(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    task_ready(f, subject);
}

static void lose_patience(struct farm *f, void *subject, int64_t now_ns)
{
    struct task *t = subject;
    (void)now_ns;
    t->preferred = NULL;
    f->dispatch_wanted = true;
}

void task_prefer(struct farm *f, struct task *t, struct worker *w, int64_t now_ns)
{
    int64_t wait_ns = pace_median(&t->lane->tasks);
    if (wait_ns == 0) return;
    t->preferred = w;
    deadline_set(&f->timers, &t->patience, now_ns + wait_ns);
}

bool task_has_inputs(const struct group *group, uint32_t number)
{
    struct plan_task plan;
    plan_task(&group->shape.plan, number, &plan);
    return plan.input_count > 0;
}

static void place(struct task *t)
{
    struct plan_task plan;
    plan_task(&t->group->shape.plan, t->number, &plan);
    t->stand = &t->group->stands[plan.stage];
    t->lane = t->stand->lane;
    t->steps = plan.step_end - plan.step_first;
}

struct task *task_open(struct farm *f, struct work *w, uint32_t number)
{
    struct task *t = xcalloc(1, sizeof(*t));
    t->work = w;
    t->batch = w->batch;
    t->group = w->group;
    t->clip = w->clip;
    t->number = number;
    t->fence = fence_floor(f, t->batch);
    t->checkpoint.fingerprint = xstrdup("");
    place(t);
    chain_init(&t->live);
    chain_init(&t->of_work);
    chain_init(&t->in_stand);
    chain_init(&t->in_disputed);
    hazard_init(t);
    deadline_init(&t->again, t, due_again);
    deadline_init(&t->patience, t, lose_patience);
    chain_append(&w->tasks, &t->of_work);
    (void)table_set_u64(&t->batch->tasks, index_of(t->clip, number), t);
    return t;
}

static void leave_lists(struct farm *f, struct task *t)
{
    deadline_clear(&f->timers, &t->again);
    deadline_clear(&f->timers, &t->patience);
    chain_remove(&t->of_work);
    chain_remove(&t->in_stand);
    chain_remove(&t->in_disputed);
    hazard_forget(f, t);
}

void task_free(struct farm *f, struct task *t)
{
    CHAIN_EACH(link, &t->live)
    attempt_unlink(f, CHAIN_OWNER(link, struct attempt, of_task));
    leave_lists(f, t);
    returns_forget(t);
    opinion_close(f, t);
    free(t->checkpoint.fingerprint);
    free(t->last_message);
    free(t->return_message);
    free(t);
}

void task_close(struct farm *f, struct task *t)
{
    ZOE_ASSERT(chain_is_empty(&t->live));
    struct group *g = t->group;
    if (t->state == TASK_DONE) t->work->done--;
    (void)table_remove_u64(&t->batch->tasks, index_of(t->clip, t->number));
    task_free(f, t);
    batch_refresh_group(f, g);
}

void task_note_end(struct task *t, enum attempt_end end, const char *message)
{
    t->last_end = end;
    free(t->last_message);
    t->last_message = xstrdup(message != NULL ? message : "");
}

/* ---- rows ---- */

struct task_key task_key(const struct task *t)
{
    struct task_key key = {.clip = t->clip, .task = t->number};
    memcpy(key.batch, t->batch->id, sizeof(key.batch));
    return key;
}

struct task_record task_record(const struct task *t)
{
    struct task_record record = {.key = task_key(t),
                                 .state = t->state,
                                 .open = true,
                                 .fence = t->fence,
                                 .attempts = t->attempts,
                                 .counted = t->counted,
                                 .losses = t->losses,
                                 .blamed_count = t->blamed_count,
                                 .winner_fence = t->winner_fence,
                                 .output_bytes = t->output_bytes,
                                 .fingerprint = t->state == TASK_DONE ? t->work->fingerprint : "",
                                 .checkpoint_step = t->checkpoint.step,
                                 .checkpoint_fingerprint = t->checkpoint.fingerprint,
                                 .checkpoint_fence = t->checkpoint.fence,
                                 .suspect = t->suspect,
                                 .why =
                                     t->last_end != END_LIVE ? attempt_end_name(t->last_end) : "",
                                 .message = t->last_message != NULL ? t->last_message : ""};
    for (uint32_t i = 0; i < t->blamed_count; i++)
        record.blamed[i] = t->blamed[i].worker->name;
    if (t->winner != NULL) record.winner = t->winner->name;
    opinion_record(t, &record);
    return record;
}

static void save(struct farm *f, struct task_record record)
{
    record.why = effects_text(&f->effects, record.why); /* names of workers stay without a copy */
    record.message = effects_text(&f->effects, record.message);
    record.fingerprint = effects_text(&f->effects, record.fingerprint);
    record.checkpoint_fingerprint = effects_text(&f->effects, record.checkpoint_fingerprint);
    effects_add(&f->effects, EFFECT_SAVE_TASK)->task = record;
}

void task_save(struct farm *f, const struct task *t, bool open)
{
    struct task_record record = task_record(t);
    record.open = open;
    save(f, record);
}

void task_save_why(struct farm *f, const struct task *t, bool open, const char *why,
                   const char *message)
{
    struct task_record record = task_record(t);
    record.open = open;
    record.why = why;
    record.message = message != NULL ? message : "";
    save(f, record);
}

/* ---- ends ---- */

void task_requeue(struct farm *f, struct task *t, int64_t wait_ns, int64_t now_ns)
{
    deadline_clear(&f->timers, &t->again);
    t->state = TASK_WAITING;
    f->settle_wanted = true; /* what T4 asks for may have come while it was leased */
    work_settle(f, t->work);
    task_save(f, t, true);
    if (wait_ns > 0)
        deadline_set(&f->timers, &t->again, now_ns + wait_ns);
    else
        task_ready(f, t);
}

void task_drop_outputs(struct farm *f, struct task *t)
{
    effects_add(&f->effects, EFFECT_DROP_OUTPUTS)->task_key = task_key(t);
    f->stitch_bytes -= t->output_bytes;
    t->output_bytes = 0;
    t->winner = NULL;
    t->winner_fence = 0;
    t->suspect = SUSPECT_NONE;
}

static void dismiss_all(struct farm *f, struct task *t, const char *why, int64_t now_ns)
{
    CHAIN_EACH(link, &t->live)
    attempt_dismiss(f, CHAIN_OWNER(link, struct attempt, of_task), END_CANCELED, DROP_CANCELED, why,
                    now_ns);
}

void task_retire(struct farm *f, struct task *t, enum task_state state, const char *why,
                 const char *message, int64_t now_ns)
{
    bool has_row = t->attempts > 0;
    if (t->state != TASK_DONE) t->state = state;
    dismiss_all(f, t, state == TASK_CANCELED ? "canceled" : "the clip failed", now_ns);
    checkpoint_drop(f, t);
    if (t->state == TASK_DONE) {
        task_drop_outputs(f, t);
        t->work->done--;
        t->state = state;
    }
    if (has_row && why != NULL) task_save_why(f, t, false, why, message);
    if (has_row && why == NULL) task_save(f, t, false);
    task_close(f, t);
}

#include "coordinator/task.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/finish.h"
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

void task_jump_fence(const struct farm *f, struct task *t, uint64_t seen)
{
    if (task_fence_is_ours(f, seen) && seen > t->fence) t->fence = seen;
}

/* ---- life ---- */

/* Its time has come: the group offers it. */
static void become_ready(struct farm *f, void *subject, int64_t now_ns)
{
    struct task *t = subject;
    (void)now_ns;
    chain_append(&t->group->tasks, &t->in_group);
    batch_refresh_group(f, t->group);
}

static void due_again(struct farm *f, void *subject, int64_t now_ns)
{
    struct task *t = subject;
    if (t->state == TASK_WAITING) become_ready(f, t, now_ns);
    if (t->state == TASK_DONE) finish_resume(f, t);
}

struct task *task_open(struct farm *f, struct batch *b, uint32_t clip, uint32_t number)
{
    struct task *t = xcalloc(1, sizeof(*t));
    t->batch = b;
    t->group = clip_group(b, clip);
    t->clip = clip;
    t->number = number;
    t->fence = fence_floor(f, b);
    chain_init(&t->live);
    chain_init(&t->in_group);
    chain_init(&t->in_disputed);
    deadline_init(&t->again, t, due_again);
    (void)table_set_u64(&b->tasks, index_of(clip, number), t);
    return t;
}

static void leave_lists(struct farm *f, struct task *t)
{
    deadline_clear(&f->timers, &t->again);
    chain_remove(&t->in_group);
    chain_remove(&t->in_disputed);
}

void task_free(struct farm *f, struct task *t)
{
    CHAIN_EACH(link, &t->live)
    attempt_unlink(f, CHAIN_OWNER(link, struct attempt, of_task));
    leave_lists(f, t);
    free(t->last_message);
    free(t);
}

void task_close(struct farm *f, struct task *t)
{
    ZOE_ASSERT(chain_is_empty(&t->live));
    struct group *g = t->group;
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
                                 .suspect = t->suspect,
                                 .why =
                                     t->last_end != END_LIVE ? attempt_end_name(t->last_end) : "",
                                 .message = t->last_message != NULL ? t->last_message : ""};
    for (uint32_t i = 0; i < t->blamed_count; i++)
        record.blamed[i] = t->blamed[i].worker->name;
    if (t->winner != NULL) record.winner = t->winner->name;
    return record;
}

static void save(struct farm *f, struct task_record record)
{
    record.why = effects_text(&f->effects, record.why); /* names of workers stay without a copy */
    record.message = effects_text(&f->effects, record.message);
    effects_add(&f->effects, EFFECT_SAVE_TASK)->task = record;
}

void task_save(struct farm *f, const struct task *t, bool open)
{
    struct task_record record = task_record(t);
    record.open = open;
    save(f, record);
}

static void save_failed(struct farm *f, const struct task *t, bool open, const char *why,
                        const char *message)
{
    struct task_record record = task_record(t);
    record.open = open;
    record.why = why;
    record.message = message;
    save(f, record);
}

/* ---- ends ---- */

void task_requeue(struct farm *f, struct task *t, int64_t wait_ns, int64_t now_ns)
{
    if (t->batch->state == BATCH_CANCELED) {
        task_cancel(f, t, now_ns);
        return;
    }
    deadline_clear(&f->timers, &t->again); /* it may have waited for space */
    t->state = TASK_WAITING;
    f->settle_wanted = true; /* what T4 asks for may have come while it was leased */
    clip_set(f, t->batch, t->clip, CLIP_RETRY);
    task_save(f, t, true);
    if (wait_ns > 0)
        deadline_set(&f->timers, &t->again, now_ns + wait_ns);
    else
        become_ready(f, t, now_ns);
}

static void dismiss_all(struct farm *f, struct task *t, enum attempt_end end, const char *why,
                        int64_t now_ns)
{
    CHAIN_EACH(link, &t->live)
    attempt_dismiss(f, CHAIN_OWNER(link, struct attempt, of_task), end, DROP_CANCELED, why, now_ns);
}

static void save_failed_clip(struct farm *f, const struct task *t, const char *why,
                             const char *message)
{
    struct clip_record record = {.clip = t->clip,
                                 .state = CLIP_FAILED,
                                 .file = "",
                                 .worker = "",
                                 .attempts = t->attempts,
                                 .why = effects_text(&f->effects, why),
                                 .message = effects_text(&f->effects, message)};
    memcpy(record.batch, t->batch->id, sizeof(record.batch));
    effects_add(&f->effects, EFFECT_SAVE_CLIP)->clip = record;
}

void task_fail(struct farm *f, struct task *t, const char *why, const char *message, int64_t now_ns)
{
    struct batch *b = t->batch;
    bool has_outputs = t->state == TASK_DONE; /* they are kept for `retry`, and the row open */
    if (!has_outputs) t->state = TASK_FAILED;
    dismiss_all(f, t, END_CANCELED, "the task failed", now_ns);
    save_failed_clip(f, t, why, message);
    save_failed(f, t, has_outputs, why, message);
    clip_set(f, b, t->clip, CLIP_FAILED);
    farm_event(f, "clip.failed", b->id, t->clip, NULL, message);
    if (!has_outputs) task_close(f, t);
    batch_settle(f, b);
}

void task_cancel(struct farm *f, struct task *t, int64_t now_ns)
{
    t->state = TASK_CANCELED;
    dismiss_all(f, t, END_CANCELED, "canceled", now_ns);
    clip_set(f, t->batch, t->clip, CLIP_CANCELED);
    task_save(f, t, false);
    task_close(f, t);
}

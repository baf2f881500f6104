#include "coordinator/batch_control.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/attempt.h"
#include "coordinator/clip.h"
#include "coordinator/returns.h"
#include "coordinator/work.h"
#include "coordinator/worker_core.h"

static bool refuse_ended(const struct batch *b, const char *what, struct error *err)
{
    return error_set(err, ERROR_STATE, "batch %s is %s: it cannot be %s", b->id,
                     batch_state_name(b->state), what);
}

/* ---- adding ---- */

bool batch_add(struct farm *f, const struct batch_spec *spec, struct error *err)
{
    char text[64];
    struct batch *b = batch_new(f, spec, err);
    if (b == NULL) return false;
    batch_refresh(f, b);
    (void)snprintf(text, sizeof(text), "%u clips", (unsigned)b->clips);
    farm_event(f, "batch.submitted", b->id, -1, NULL, text);
    return true;
}

/* ---- pausing ---- */

static void recall_prefetched(struct farm *f, struct batch *b)
{
    struct task *t = NULL;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        CHAIN_EACH(link, &t->live)
        {
            struct attempt *a = CHAIN_OWNER(link, struct attempt, of_task);
            if (a->place != ATTEMPT_NEXT || a->recalled || a->worker->session == 0) continue;
            attempt_recall(f, a);
        }
    }
}

bool batch_pause(struct farm *f, struct batch *b, struct error *err)
{
    if (batch_state_is_terminal(b->state)) return refuse_ended(b, "paused", err);
    if (b->paused) return true;
    b->paused = true;
    batch_settle(f, b);
    recall_prefetched(f, b);
    farm_event(f, "batch.paused", b->id, -1, NULL, NULL);
    return true;
}

bool batch_resume(struct farm *f, struct batch *b, struct error *err)
{
    if (batch_state_is_terminal(b->state)) return refuse_ended(b, "resumed", err);
    if (!b->paused) return true;
    b->paused = false;
    batch_settle(f, b);
    farm_event(f, "batch.resumed", b->id, -1, NULL, NULL);
    return true;
}

/* ---- priority ---- */

static void save_priority(struct farm *f, const struct batch *b)
{
    struct effect *e = effects_add(&f->effects, EFFECT_SAVE_PRIORITY);
    memcpy(e->priority.batch, b->id, sizeof(b->id));
    e->priority.value = b->priority;
}

bool batch_prioritize(struct farm *f, struct batch *b, int32_t priority, struct error *err)
{
    char text[64];
    if (batch_state_is_terminal(b->state)) return refuse_ended(b, "given another priority", err);
    if (priority < -BATCH_PRIORITY_MAX || priority > BATCH_PRIORITY_MAX)
        return error_set(err, ERROR_REFUSED, "priority is -%d to %d", BATCH_PRIORITY_MAX,
                         BATCH_PRIORITY_MAX);
    if (priority == b->priority) return true;
    (void)snprintf(text, sizeof(text), "from %d to %d", (int)b->priority, (int)priority);
    batch_set_priority(f, b, priority);
    save_priority(f, b);
    farm_event(f, "batch.priority", b->id, -1, NULL, text);
    return true;
}

/* ---- canceling ---- */

/* Clips that are being published are finished. */
static bool can_be_canceled(enum clip_state state)
{
    return state == CLIP_RETRY || state == CLIP_LEASED || state == CLIP_FAILED;
}

static void cancel_works(struct farm *f, struct batch *b, int64_t now_ns)
{
    struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;) {
        if (can_be_canceled(clip_state(b, w->clip))) work_cancel(f, w, now_ns);
    }
}

bool batch_cancel(struct farm *f, struct batch *b, int64_t now_ns, struct error *err)
{
    if (b->state == BATCH_CANCELED) return true;
    if (batch_state_is_terminal(b->state)) return refuse_ended(b, "canceled", err);
    batch_cancel_waiting(f, b);
    cancel_works(f, b, now_ns);
    farm_event(f, "batch.canceled", b->id, -1, NULL, NULL);
    return true;
}

/* ---- retry ---- */

static bool has_failed(enum clip_state state, const void *context)
{
    (void)context;
    return state == CLIP_FAILED;
}

/* What is stored of a clip is not rendered again. */
static void want_again(struct farm *f, struct batch *b, uint32_t clip)
{
    struct work *w = work_find(b, clip);
    if (w != NULL)
        work_retry(f, w);
    else
        clip_set(f, b, clip, CLIP_WAITING);
}

static bool want_all_again(struct farm *f, struct batch *b, struct error *err)
{
    if (b->round >= BATCH_ROUNDS_MAX)
        return error_set(err, ERROR_STATE, "batch %s was retried too often", b->id);
    b->round++;
    for (uint32_t clip = 0; (clip = clip_search(b, clip, has_failed, NULL)) != CLIP_NONE; clip++)
        want_again(f, b, clip);
    batch_rewind(b);
    batch_settle(f, b);
    batch_dirty(f, b);
    batch_refresh(f, b);
    return true;
}

bool batch_retry(struct farm *f, struct batch *b, struct error *err)
{
    const bool has_failed_ones = b->counts.by_state[CLIP_FAILED] > 0;
    if (b->state == BATCH_CANCELED || b->state == BATCH_DONE)
        return refuse_ended(b, "retried", err);
    if (has_failed_ones && !want_all_again(f, b, err)) return false;
    const bool woken = returns_wake(f, b, RETURNS_NOTHING);
    if (has_failed_ones || woken) farm_event(f, "batch.retried", b->id, -1, NULL, NULL);
    return true;
}

/* ---- removal ---- */

static bool is_publishing(const struct batch *b)
{
    return b->counts.by_state[CLIP_STITCHING] + b->counts.by_state[CLIP_PUBLISHING] > 0;
}

static void forget_outputs(struct farm *f, const struct batch *b)
{
    const struct task *t = NULL;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        if (t->state == TASK_DONE) f->stitch_bytes -= t->output_bytes;
    }
}

bool batch_remove(struct farm *f, struct batch *b, struct error *err)
{
    if (!batch_state_is_terminal(b->state))
        return error_set(err, ERROR_STATE, "batch %s is %s: cancel it first (zoe batch cancel %s)",
                         b->id, batch_state_name(b->state), b->id);
    if (is_publishing(b))
        return error_set(err, ERROR_STATE, "batch %s is still publishing: try again shortly",
                         b->id);
    farm_event(f, "batch.removed", b->id, -1, NULL, NULL);
    memcpy(effects_add(&f->effects, EFFECT_REMOVE_BATCH)->batch, b->id, sizeof(b->id));
    forget_outputs(f, b);
    batch_free(f, b);
    return true;
}

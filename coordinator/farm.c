#include "coordinator/farm.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/xalloc.h"
#include "coordinator/batch_control.h"
#include "coordinator/canary.h"
#include "coordinator/credit.h"
#include "coordinator/held.h"
#include "coordinator/lease.h"
#include "coordinator/pin.h"
#include "coordinator/presence.h"
#include "coordinator/proof.h"
#include "coordinator/refusal.h"
#include "coordinator/retry.h"
#include "coordinator/returns.h"
#include "coordinator/scheduler.h"
#include "coordinator/shortage.h"
#include "coordinator/standing.h"
#include "coordinator/straggler.h"

/* ---- life ---- */

struct farm *farm_new(const struct farm_config *config)
{
    struct farm *f = xcalloc(1, sizeof(*f));
    f->config = *config;
    f->random = config->seed;
    f->last_session = config->first_session;
    f->last_canary = config->first_session; /* never one of an earlier run */
    f->last_turn_ns = INT64_MIN;
    f->expected_ns = INT64_MAX;
    f->credit_bytes = CREDIT_POOL_BYTES;
    effects_init(&f->effects);
    table_init(&f->batches);
    table_init(&f->lanes);
    table_init(&f->workers);
    table_init(&f->sessions);
    table_init(&f->owners);
    table_init(&f->canaries);
    roster_init(&f->roster);
    straggler_init(f);
    chain_init(&f->ready);
    chain_init(&f->transfers);
    chain_init(&f->spare);
    chain_init(&f->hazards);
    chain_init(&f->disputed);
    chain_init(&f->pinned);
    chain_init(&f->repinned);
    deadline_queue_init(&f->leases);
    deadline_queue_init(&f->sessions_due);
    deadline_queue_init(&f->timers);
    return f;
}

static void free_machines(struct farm *f)
{
    struct lane *lane = NULL;
    while (f->batches.count > 0)
        batch_free(f, f->order[f->batches.count - 1]);
    for (size_t i = 0; i < f->workers.count; i++)
        worker_free(f, f->crew[i]);
    for (size_t i = 0; (lane = table_next(&f->lanes, &i, NULL, NULL)) != NULL;)
        lane_free(lane);
    void *owner = NULL;
    for (size_t i = 0; (owner = table_next(&f->owners, &i, NULL, NULL)) != NULL;)
        free(owner);
}

void farm_free(struct farm *f)
{
    if (f == NULL) return;
    free_machines(f);
    deadline_queue_finish(&f->leases);
    deadline_queue_finish(&f->sessions_due);
    deadline_queue_finish(&f->timers);
    table_finish(&f->batches);
    table_finish(&f->lanes);
    table_finish(&f->workers);
    table_finish(&f->sessions);
    table_finish(&f->owners);
    proof_finish(f);
    roster_finish(&f->roster);
    effects_finish(&f->effects);
    free(f->order);
    free(f->crew);
    free(f);
}

struct effects *farm_effects(struct farm *f)
{
    return &f->effects;
}

/* SplitMix64 (Steele, Lea, Flood 2014). The bias of the remainder does not matter for jitter. */
uint64_t farm_random(struct farm *f, uint64_t bound)
{
    uint64_t z = f->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

void farm_event(struct farm *f, const char *kind, const char *batch, int64_t clip,
                const char *worker, const char *message)
{
    struct event_record record = {.kind = kind,
                                  .batch = effects_text(&f->effects, batch),
                                  .has_clip = clip >= 0,
                                  .clip = clip >= 0 ? (uint32_t)clip : 0,
                                  .worker = effects_text(&f->effects, worker),
                                  .message = effects_text(&f->effects, message),
                                  .at_ms = f->wall_ms};
    effects_add(&f->effects, EFFECT_EVENT)->event = record;
}

/* ---- turns ---- */

void farm_wall(struct farm *f, int64_t wall_ms)
{
    f->wall_ms = wall_ms;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t farm_next_deadline(const struct farm *f)
{
    int64_t next = least(deadline_queue_first(&f->sessions_due), deadline_queue_first(&f->timers));
    return f->disk_low ? next : least(next, deadline_queue_first(&f->leases));
}

/* This turn comes much later than was asked for: the process was stopped, or the machine slept, and
 * nobody knows since when. All the time since the last turn counts for nothing, or what was due
 * first would run out before anything could be heard. */
static int64_t jump_of(const struct farm *f, int64_t now_ns)
{
    if (f->last_turn_ns == INT64_MIN || f->expected_ns >= now_ns) return 0;
    int64_t late = now_ns - (f->expected_ns > f->last_turn_ns ? f->expected_ns : f->last_turn_ns);
    return late > LEASE_JUMP_NS ? now_ns - f->last_turn_ns : 0;
}

/* L4, D1: clocks that stood still. */
static void stretch_clocks(struct farm *f, int64_t now_ns)
{
    int64_t jump = jump_of(f, now_ns);
    int64_t since = f->last_turn_ns == INT64_MIN ? 0 : now_ns - f->last_turn_ns;
    deadline_queue_stretch(&f->sessions_due, jump);
    deadline_queue_stretch(&f->leases, f->disk_low ? since : jump);
}

static void expire(struct farm *f, int64_t now_ns, bool sockets_were_empty)
{
    int64_t until = sockets_were_empty ? now_ns : now_ns - LEASE_LATE_NS;
    deadline_queue_run(&f->sessions_due, f, until, now_ns);
    if (!f->disk_low) deadline_queue_run(&f->leases, f, until, now_ns);
    deadline_queue_run(&f->timers, f, now_ns, now_ns);
}

void farm_turn(struct farm *f, int64_t now_ns, bool sockets_were_empty)
{
    stretch_clocks(f, now_ns);
    expire(f, now_ns, sockets_were_empty);
    pin_settle(f, now_ns);
    retry_settle(f, now_ns);
    scheduler_dispatch(f, now_ns);
    credit_distribute(f, now_ns);
    f->last_turn_ns = now_ns;
    f->expected_ns = farm_next_deadline(f);
}

/* ---- workers ---- */

bool farm_hello(struct farm *f, const struct farm_hello *hello, int64_t now_ns,
                uint64_t *session_out, struct error *err)
{
    return worker_hello(f, hello, now_ns, session_out, err);
}

bool farm_bulk(struct farm *f, uint64_t session, int64_t now_ns)
{
    return worker_heard(f, session, now_ns) != NULL;
}

bool farm_heard(struct farm *f, uint64_t session, int64_t now_ns)
{
    return worker_heard(f, session, now_ns) != NULL;
}

void farm_heartbeat(struct farm *f, uint64_t session, const struct farm_heartbeat *beat,
                    int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) worker_beat(f, w, beat, now_ns);
}

/* The live attempt that a message of a current session is about, or NULL. */
static struct attempt *attempt_of(struct farm *f, uint64_t session, const struct attempt_key *key,
                                  int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    return w != NULL ? attempt_find(f, w, key) : NULL;
}

static bool is_canary(const struct attempt_key *key)
{
    return key->task.batch[0] == '\0';
}

void farm_progress(struct farm *f, uint64_t session, const struct farm_held *at, int64_t now_ns)
{
    struct worker *w = worker_of_session(f, session);
    if (w != NULL && is_canary(&at->attempt)) canary_heard(f, w, at, now_ns);
    struct attempt *a = attempt_of(f, session, &at->attempt, now_ns);
    if (a != NULL) lease_progress(f, a, at, now_ns);
}

void farm_started(struct farm *f, uint64_t session, const struct attempt_key *key, int64_t now_ns)
{
    struct attempt *a = attempt_of(f, session, key, now_ns);
    if (a != NULL) held_started(f, a, now_ns);
}

/* What a refusal says about the worker itself. */
static void note_refusal(struct farm *f, struct attempt *a, enum hand_back_reason reason,
                         int64_t now_ns)
{
    struct worker *w = a->worker;
    if (reason == HAND_BACK_DRAINING) w->draining = true;
    if (reason == HAND_BACK_DISK) {
        w->disk_low = true; /* until its next heartbeat */
        shortage_note(w, a->task->lane, now_ns);
    }
    if (reason == HAND_BACK_MODEL) refusal_of_model(f, w, a->task->lane, now_ns);
    if (reason == HAND_BACK_MEMORY) refusal_of_memory(f, w, a->task->lane, false);
}

static enum attempt_end end_of_refusal(enum hand_back_reason reason)
{
    if (reason == HAND_BACK_PREEMPTED) return END_PREEMPTED;
    if (reason == HAND_BACK_UNKNOWN || reason == HAND_BACK_NONE) return END_LOST;
    return END_HANDED_BACK;
}

/* Its worker could not have what it goes on from, or starts from. */
static bool lacks_inputs(const struct attempt *a)
{
    struct plan_task plan;
    plan_task(&a->task->group->shape.plan, a->task->number, &plan);
    return plan.input_count > 0 || a->phase == PHASE_FETCHING;
}

static void wait_a_while(struct farm *f, struct task *t, int64_t wait_ns, int64_t now_ns)
{
    chain_remove(&t->in_stand);
    task_requeue(f, t, wait_ns, now_ns);
    batch_refresh_group(f, t->group);
}

/* The attempt ends; its task waits a little when nobody could begin it at once. */
static void give_back(struct farm *f, struct attempt *a, enum attempt_end end, int64_t wait_ns,
                      const char *message, int64_t now_ns)
{
    struct task *t = a->task;
    attempt_end(f, a, end, &(struct attempt_detail){.message = message}, now_ns);
    if (wait_ns > 0 && t->state == TASK_WAITING) wait_a_while(f, t, wait_ns, now_ns);
}

/* Nobody asked for it back. What was canceled is still there: at once it would be so again. */
static int64_t note_return(struct farm *f, struct attempt *a, const char *message, int64_t now_ns)
{
    const bool lacks = lacks_inputs(a);
    if (!lacks) a->worker->crowded = true;
    return returns_wait(f, a->task, lacks ? RETURN_LACKED : RETURN_UNASKED, RETURNS_NOTHING,
                        message, now_ns);
}

void farm_handed_back(struct farm *f, uint64_t session, const struct attempt_key *key,
                      enum hand_back_reason reason, const char *message, int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w == NULL) return;
    if (is_canary(key)) {
        canary_handed_back(f, w, key->fence, reason, now_ns);
        return;
    }
    struct attempt *a = attempt_find(f, w, key);
    if (a == NULL || a->upload != NULL) return;
    const bool is_unasked = reason == HAND_BACK_RECALLED && !a->recalled;
    const int64_t wait_ns = is_unasked ? note_return(f, a, message, now_ns) : 0;
    note_refusal(f, a, reason, now_ns);
    give_back(f, a, end_of_refusal(reason), wait_ns, message, now_ns);
}

void farm_not_sent(struct farm *f, uint64_t session, const struct attempt_key *key, uint64_t lacks,
                   const char *message, int64_t now_ns)
{
    struct attempt *a = attempt_of(f, session, key, now_ns);
    if (a == NULL || a->upload != NULL) return;
    const int64_t wait_ns =
        returns_wait(f, a->task, lacks == RETURNS_NOTHING ? RETURN_LACKED : RETURN_UNMADE, lacks,
                     message, now_ns);
    give_back(f, a, END_HANDED_BACK, wait_ns, message, now_ns);
}

void farm_ended(struct farm *f, uint64_t session, const struct farm_ended *ended, int64_t now_ns)
{
    struct attempt *a = attempt_of(f, session, &ended->attempt, now_ns);
    if (a == NULL || a->upload != NULL) return;
    struct attempt_detail detail = {.message = ended->message,
                                    .log_tail = ended->log_tail,
                                    .steps_computed = ended->steps_computed};
    /* Nobody canceled it here, or it would not be live. */
    enum attempt_end end = ended->end == END_CANCELED ? END_LOST : ended->end;
    attempt_end(f, a, end, &detail, now_ns);
}

void farm_canary_done(struct farm *f, uint64_t session, uint64_t number,
                      const struct digest *frames_sha256, const char *message, int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) canary_done(f, w, number, frames_sha256, message, now_ns);
}

void farm_model_canary(struct farm *f, const struct digest *model, const char *name)
{
    proof_want(f, model, name);
}

bool farm_canary_out(const struct farm *f, uint64_t session, uint64_t number,
                     struct canary_out *out)
{
    const struct worker *w = worker_of_session(f, session);
    if (w == NULL || number == 0 || w->canary.number != number || w->canary.out == NULL)
        return false;
    *out = (struct canary_out){w->canary.out->model, w->slots[w->canary.slot].fingerprint};
    return true;
}

void farm_model_canary_done(struct farm *f, uint64_t session, const struct farm_model_frame *frame,
                            int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) canary_of_model_done(f, w, frame, now_ns);
}

void farm_leaving(struct farm *f, uint64_t session, const char *reason, bool drained,
                  int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) worker_leaving(f, w, reason, drained, now_ns);
}

static struct worker *named(struct farm *f, const char *worker, struct error *err)
{
    struct worker *w = worker_find(f, worker);
    if (w == NULL) error_set(err, ERROR_NOT_FOUND, "no worker %s; see zoe worker list", worker);
    return w;
}

bool farm_quarantine(struct farm *f, const char *worker, const char *reason, const char *by,
                     int64_t now_ns, struct error *err)
{
    struct worker *w = named(f, worker, err);
    if (w == NULL) return false;
    if (!w->standing.held)
        standing_quarantine(f, w, reason[0] != '\0' ? reason : "by an operator", by, 0, now_ns);
    else if (reason[0] != '\0')
        standing_say_anew(f, w, reason, by);
    return true;
}

bool farm_readmit(struct farm *f, const char *worker, const char *by, struct error *err)
{
    struct worker *w = named(f, worker, err);
    if (w == NULL) return false;
    if (!w->quarantined)
        return error_set(err, ERROR_STATE, "worker %s is not in quarantine: it is %s", worker,
                         worker_state_name(w->state));
    standing_readmit(f, w, by);
    return true;
}

bool farm_drain_is_news(const struct farm *f, const char *worker, int64_t grace_ns, int64_t now_ns)
{
    const struct worker *w = worker_find(f, worker);
    return w != NULL && worker_drain_is_news(w, grace_ns, now_ns);
}

bool farm_drain(struct farm *f, const char *worker, int64_t grace_ns, const char *by,
                int64_t now_ns, struct error *err)
{
    (void)now_ns;
    struct worker *w = named(f, worker, err);
    if (w == NULL) return false;
    if (w->presence == WORKER_AWAY)
        return error_set(err, ERROR_STATE, "worker %s is %s", worker, worker_state_name(w->state));
    worker_drain(f, w, grace_ns, by, now_ns);
    return true;
}

void farm_revoke(struct farm *f, const char *worker, int64_t now_ns)
{
    struct worker *w = worker_find(f, worker);
    if (w != NULL) worker_gone(f, w, "its key was revoked", true, now_ns);
}

/* ---- batches ---- */

bool farm_batch_add(struct farm *f, const struct batch_spec *spec, struct error *err)
{
    return batch_add(f, spec, err);
}

static struct batch *need_batch(const struct farm *f, const char *id, struct error *err)
{
    struct batch *b = batch_find(f, id);
    if (b == NULL) error_set(err, ERROR_NOT_FOUND, "no batch %s; see zoe batch list", id);
    return b;
}

bool farm_batch_pause(struct farm *f, const char *batch, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_pause(f, b, err);
}

bool farm_batch_resume(struct farm *f, const char *batch, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_resume(f, b, err);
}

bool farm_batch_cancel(struct farm *f, const char *batch, int64_t now_ns, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_cancel(f, b, now_ns, err);
}

bool farm_batch_retry(struct farm *f, const char *batch, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_retry(f, b, err);
}

void farm_input_came(struct farm *f, const char *batch, const struct digest *sha256)
{
    struct batch *b = batch_find(f, batch);
    if (b != NULL) (void)returns_wake(f, b, returns_file(sha256));
}

bool farm_batch_remove(struct farm *f, const char *batch, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_remove(f, b, err);
}

bool farm_batch_priority(struct farm *f, const char *batch, int32_t priority, struct error *err)
{
    struct batch *b = need_batch(f, batch, err);
    return b != NULL && batch_prioritize(f, b, priority, err);
}

void farm_owner_share(struct farm *f, const char *owner, uint32_t share, int64_t now_ns)
{
    struct owner *o = lane_owner(f, owner);
    o->share = share > 0 ? share : SHARE_DEFAULT;
    o->key = share_key(&o->usage, o->share, now_ns, o->number);
    lane_owner_moved(f, o);
}

/* ---- disk and credit ---- */

void farm_disk(struct farm *f, uint64_t free_bytes, uint64_t total_bytes)
{
    bool low = disk_is_low(f->disk_low, free_bytes, total_bytes, f->stitch_bytes);
    f->disk_free_bytes = free_bytes;
    if (low == f->disk_low) return;
    f->disk_low = low;
    f->dispatch_wanted = true;
    farm_event(f, low ? "disk.low" : "disk.well", NULL, -1, NULL,
               low ? "nothing is taken or leased until space is free" : "work goes on");
}

bool farm_disk_is_low(const struct farm *f)
{
    return f->disk_low;
}

uint64_t farm_credit_borrow(struct farm *f, uint64_t wanted_bytes)
{
    uint64_t lent = wanted_bytes < f->credit_bytes ? wanted_bytes : f->credit_bytes;
    f->credit_bytes -= lent;
    return lent;
}

/* What was lent before the farm was read anew may come back too. */
void farm_credit_return(struct farm *f, uint64_t size_bytes)
{
    f->credit_bytes += size_bytes;
    if (f->credit_bytes > CREDIT_POOL_BYTES) f->credit_bytes = CREDIT_POOL_BYTES;
}

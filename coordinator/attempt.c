#include "coordinator/attempt.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/checkpoints.h"
#include "coordinator/lease.h"
#include "coordinator/offer.h"
#include "coordinator/retry.h"
#include "coordinator/work.h"

/* ---- object ---- */

struct attempt *attempt_new(struct task *t, struct worker *w, uint64_t fence, uint64_t worker_fence,
                            uint32_t slot)
{
    struct attempt *a = xcalloc(1, sizeof(*a));
    a->task = t;
    a->worker = w;
    a->fence = fence;
    a->worker_fence = worker_fence;
    a->slot = slot;
    a->place = ATTEMPT_AWAY;
    a->steps = t->steps;
    a->limit_ns = lease_limit(w, t->lane);
    lease_init(a);
    offer_init(a);
    chain_init(&a->of_task);
    chain_init(&a->of_work);
    chain_init(&a->of_worker);
    chain_append(&t->live, &a->of_task);
    chain_append(&t->work->live, &a->of_work);
    chain_append(&w->attempts, &a->of_worker);
    return a;
}

void attempt_unlink(struct farm *f, struct attempt *a)
{
    offer_forget(f, a);
    checkpoint_forget(f, a);
    lease_stand(f, a);
    deadline_clear(&f->timers, &a->recheck);
    roster_touch(f, a->worker);
    if (a->task->group->tasks > 1) f->dispatch_wanted = true; /* it may have held its clip */
    f->copies -= a->is_copy;
    chain_remove(&a->of_task);
    chain_remove(&a->of_work);
    chain_remove(&a->of_worker);
    free(a->fingerprint);
    free(a);
}

void attempt_set_fingerprint(struct attempt *a, const char *fingerprint)
{
    free(a->fingerprint);
    a->fingerprint = xstrdup(fingerprint);
}

struct attempt_key attempt_key(const struct attempt *a)
{
    return (struct attempt_key){.task = task_key(a->task), .fence = a->worker_fence};
}

bool attempt_needs_worker(const struct attempt *a)
{
    return a->upload == NULL || !a->upload->complete;
}

bool attempt_has_rival(const struct attempt *a)
{
    const struct chain *live = &a->task->live;
    return live->next != live->prev;
}

struct attempt *attempt_find(const struct farm *f, const struct worker *w,
                             const struct attempt_key *key)
{
    const struct batch *b = batch_find(f, key->task.batch);
    struct task *t = b != NULL ? task_find(b, key->task.clip, key->task.task) : NULL;
    if (t == NULL) return NULL;
    CHAIN_EACH(link, &t->live)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_task);
        if (a->worker == w && a->worker_fence == key->fence) return a;
    }
    return NULL;
}

/* A worker that was quick until now may be slow from now on: what this one took counts, too. */
static int64_t time_of_step(const struct attempt *a)
{
    const struct pace *pace = worker_known_pace(a->worker, a->task->lane);
    int64_t usual_ns = pace != NULL ? pace_median(pace) : 0;
    int64_t own_ns = a->timed_steps > 0 ? a->timed_ns / a->timed_steps : 0;
    return own_ns > usual_ns ? own_ns : usual_ns;
}

int64_t attempt_expected_end(const struct attempt *a)
{
    int64_t step_ns = time_of_step(a);
    if (step_ns == 0 || a->begun_ns == 0) return INT64_MAX;
    int64_t left = a->step < a->steps ? (int64_t)(a->steps - a->step) * step_ns : 0;
    return (a->stepped_ns != 0 ? a->stepped_ns : a->begun_ns) + left;
}

/* ---- paying (S2) ---- */

#define PAY_UNKNOWN_NS (10 * NS_PER_S)
#define PAY_MOST_NS (60 * NS_PER_S)

void attempt_pay(struct attempt *a, int64_t now_ns)
{
    int64_t each = pace_median(&a->task->lane->tasks);
    if (each == 0) each = PAY_UNKNOWN_NS;
    if (each > PAY_MOST_NS) each = PAY_MOST_NS;
    batch_pay(a->task->batch, each, now_ns);
    a->paid_ns += each;
}

void attempt_pay_on(struct attempt *a, int64_t now_ns)
{
    if (a->begun_ns != 0 && now_ns - a->begun_ns > a->paid_ns) attempt_pay(a, now_ns);
}

void attempt_stop_paying(struct attempt *a, int64_t now_ns)
{
    int64_t used = a->begun_ns != 0 ? now_ns - a->begun_ns : 0;
    if (used > a->paid_ns) batch_pay(a->task->batch, used - a->paid_ns, now_ns);
    if (used < a->paid_ns) batch_give_back(a->task->batch, a->paid_ns - used);
    a->paid_ns = 0;
    a->begun_ns = 0;
}

/* ---- beginning ---- */

void attempt_save(struct farm *f, const struct attempt *a)
{
    struct attempt_record record = {.task = task_key(a->task),
                                    .fence = a->fence,
                                    .worker_fence = a->worker_fence,
                                    .worker = a->worker->name,
                                    .slot = a->slot,
                                    .resumed_step = a->resumed_step};
    effects_add(&f->effects, EFFECT_SAVE_ATTEMPT)->attempt = record;
}

void attempt_send(struct farm *f, struct attempt *a)
{
    struct effect_message *m = worker_message(f, a->worker, EFFECT_ASSIGN);
    m->attempt = attempt_key(a);
    m->slot = a->slot;
    m->prefetch = a->place == ATTEMPT_NEXT;
    m->model = a->task->lane->model;
    m->resume = checkpoint_resumes(a);
    m->step = m->resume ? a->resumed_step : 0;
    m->limit_ns = a->limit_ns;
    m->around_limit_ns = lease_around_limit(a->task->lane, a->limit_ns);
    a->sent_session = a->worker->session;
    a->sent_number = m->number;
}

void attempt_recall(struct farm *f, struct attempt *a)
{
    a->recalled = true;
    roster_touch(f, a->worker);
    worker_message(f, a->worker, EFFECT_RECALL)->attempt = attempt_key(a);
}

/* S4: two lines of one task must not grow from one checkpoint, or nobody could say what is waste.
 */
static void note_copy(struct farm *f, struct attempt *a)
{
    a->is_copy = attempt_has_rival(a);
    f->copies += a->is_copy;
}

void attempt_begin(struct farm *f, struct task *t, struct worker *w, uint32_t slot, bool prefetch,
                   int64_t now_ns)
{
    uint64_t fence = task_next_fence(f, t);
    struct attempt *a = attempt_new(t, w, fence, fence, slot);
    a->place = prefetch ? ATTEMPT_NEXT : ATTEMPT_RUNNING;
    bool placed = worker_place(w, a);
    ZOE_ASSERT(placed); /* the scheduler gives free places only */
    attempt_set_fingerprint(a, w->slots[slot].fingerprint);
    note_copy(f, a);
    if (!a->is_copy) checkpoint_begin(a);
    attempt_pay(a, now_ns);
    if (!prefetch) lease_start(f, a, now_ns);
    attempt_take_task(f, t);
    attempt_save(f, a);
    attempt_send(f, a);
}

void attempt_take_task(struct farm *f, struct task *t)
{
    struct batch *b = t->batch;
    deadline_clear(&f->timers, &t->again);
    chain_remove(&t->in_stand);
    if (f->opinions > 0 && t->group->tasks > 1)
        f->dispatch_wanted = true; /* who could render a part of it may be fewer now (S7) */
    t->state = TASK_LEASED;
    t->attempts++;
    b->attempts++;
    b->started = true;
    work_settle(f, t->work);
    batch_refresh_group(f, t->group);
    batch_dirty(f, b);
    batch_settle(f, b);
    task_save(f, t, true);
}

/* ---- end ---- */

bool attempt_is_begun(const struct attempt *a)
{
    return a->phase > PHASE_PREFETCHED;
}

/* Steps that this attempt ran: as its result says, or as far as it was heard of. */
static uint32_t steps_run(const struct attempt *a, const struct attempt_detail *detail)
{
    uint32_t most = lease_steps_max(a->task);
    uint32_t run = a->step > a->resumed_step ? a->step - a->resumed_step : 0;
    if (a->upload != NULL) run = a->upload->steps_computed;
    if (detail->steps_computed > run) run = detail->steps_computed;
    return run < most ? run : most;
}

/* What stands neither in its result nor in a checkpoint that is kept. */
static uint32_t steps_wasted(const struct attempt *a, enum attempt_end end, uint32_t run)
{
    if (end == END_DONE) return a->upload->steps_wasted < run ? a->upload->steps_wasted : run;
    uint32_t kept = checkpoint_kept_of(a);
    return run > kept ? run - kept : 0;
}

static void record_end(struct farm *f, const struct attempt *a, enum attempt_end end,
                       const struct attempt_detail *detail)
{
    struct batch *b = a->task->batch;
    uint32_t run = steps_run(a, detail);
    struct attempt_end_record record = {.task = task_key(a->task),
                                        .fence = a->fence,
                                        .end = end,
                                        .message = effects_text(&f->effects, detail->message),
                                        .log_tail = effects_text(&f->effects, detail->log_tail),
                                        .steps_computed = run,
                                        .steps_wasted = steps_wasted(a, end, run),
                                        .render_ms = a->upload != NULL ? a->upload->render_ms : 0};
    effects_add(&f->effects, EFFECT_END_ATTEMPT)->end = record;
    b->steps_computed += record.steps_computed;
    b->steps_wasted += record.steps_wasted + (end == END_DONE ? 0 : a->inherited);
    batch_dirty(f, b);
}

static void tell_end(struct farm *f, const struct attempt *a, enum attempt_end end,
                     const char *message)
{
    const char *kind = retry_event(end);
    if (kind != NULL)
        farm_event(f, kind, a->task->batch->id, a->task->clip, a->worker->name, message);
}

void attempt_end(struct farm *f, struct attempt *a, enum attempt_end end,
                 const struct attempt_detail *detail, int64_t now_ns)
{
    static const struct attempt_detail nothing = {0};
    if (detail == NULL) detail = &nothing;
    struct task *t = a->task;
    struct worker *w = a->worker;
    record_end(f, a, end, detail);
    tell_end(f, a, end, detail->message);
    bool blamed = !checkpoint_takes_blame(f, a, end);
    if (blamed) retry_count_worker(f, w, end);
    attempt_stop_paying(a, now_ns);
    worker_vacate(f, a, now_ns);
    attempt_unlink(f, a);
    worker_settle(f, w, NULL, NULL);
    retry_after(f, t, blamed ? w : NULL, end, detail->unbegun, detail->message, now_ns);
}

void attempt_call_off(struct farm *f, struct attempt *a, enum drop_reason drop, const char *why)
{
    if (a->worker->session == 0) return;
    const struct attempt_key key = attempt_key(a);
    bool on_offer = a->upload != NULL;
    struct effect_message *m = on_offer ? worker_answer(f, a->worker, EFFECT_DROPPED, &key)
                                        : worker_message(f, a->worker, EFFECT_CANCEL);
    m->attempt = key;
    m->drop = on_offer ? drop : DROP_NONE;
    m->text = effects_text(&f->effects, why);
}

void attempt_dismiss(struct farm *f, struct attempt *a, enum attempt_end end, enum drop_reason drop,
                     const char *why, int64_t now_ns)
{
    attempt_call_off(f, a, drop, why);
    attempt_end(f, a, end, &(struct attempt_detail){.message = why}, now_ns);
}

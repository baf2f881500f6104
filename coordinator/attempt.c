#include "coordinator/attempt.h"

#include <stdlib.h>
#include <string.h>

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
    f->dispatch_wanted = true; /* it may have held its clip to a fingerprint */
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

/* ---- beginning ---- */

void attempt_save(struct farm *f, const struct attempt *a)
{
    struct attempt_record record = {.task = task_key(a->task),
                                    .fence = a->fence,
                                    .worker_fence = a->worker_fence,
                                    .worker = a->worker->name,
                                    .slot = a->slot,
                                    .resumed_step = a->resumed_step};
    memcpy(record.boot_id, a->worker->boot_id, sizeof(record.boot_id));
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
    a->sent_session = a->worker->session;
    a->sent_number = m->number;
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
    checkpoint_begin(a);
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
    worker_vacate(f, a, now_ns);
    attempt_unlink(f, a);
    worker_settle(f, w, NULL, NULL);
    retry_after(f, t, blamed ? w : NULL, end, detail->message, now_ns);
}

void attempt_dismiss(struct farm *f, struct attempt *a, enum attempt_end end, enum drop_reason drop,
                     const char *why, int64_t now_ns)
{
    struct attempt_key key = attempt_key(a);
    if (a->worker->session != 0) {
        bool on_offer = a->upload != NULL;
        struct effect_message *m = on_offer ? worker_answer(f, a->worker, EFFECT_DROPPED, &key)
                                            : worker_message(f, a->worker, EFFECT_CANCEL);
        m->attempt = key;
        m->drop = on_offer ? drop : DROP_NONE;
        m->text = effects_text(&f->effects, why);
    }
    attempt_end(f, a, end, &(struct attempt_detail){.message = why}, now_ns);
}

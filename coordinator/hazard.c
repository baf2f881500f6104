#include "coordinator/hazard.h"

#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/retry.h"

#define SECOND_STEP 2

/* ---- books ---- */

void hazard_init(struct task *t)
{
    chain_init(&t->hazard.in_hazards);
}

static void dismiss_host(struct farm *f, struct task *t)
{
    struct worker *host = t->hazard.host;
    if (host == NULL) return;
    host->guest = NULL;
    t->hazard.host = NULL;
    f->dispatch_wanted = true; /* it may have other work now */
}

void hazard_forget(struct farm *f, struct task *t)
{
    dismiss_host(f, t);
    chain_remove(&t->hazard.in_hazards);
}

bool hazard_is_alone(const struct task *t)
{
    return !chain_is_empty(&t->hazard.in_hazards);
}

bool hazard_is_proven(const struct task *t)
{
    return t->hazard.proven;
}

/* ---- losses ---- */

/* What was never begun, or had its result ready, kills nobody. Only its worker can say that it
 * began: work goes to a dead one too, until its silence is noticed. */
static bool is_early(const struct attempt *a)
{
    bool began = a->place == ATTEMPT_RUNNING && attempt_is_begun(a);
    uint32_t run = a->step > a->resumed_step ? a->step - a->resumed_step : 0;
    return began && a->upload == NULL && run < SECOND_STEP;
}

static bool was_lost_with(const struct hazard *h, const struct worker *w)
{
    for (uint32_t i = 0; i < h->worker_count; i++) {
        if (h->workers[i] == w) return true;
    }
    return false;
}

static void note_worker(struct hazard *h, struct worker *w)
{
    if (h->worker_count == HAZARD_WORKERS || was_lost_with(h, w)) return;
    h->workers[h->worker_count++] = w;
}

static bool slot_may(const struct farm *f, const struct task *t, const struct worker *w,
                     uint32_t slot)
{
    const char *fingerprint = w->slots[slot].fingerprint;
    return slot_fits(w, slot, t->lane) && pin_takes(t->work, fingerprint) &&
           opinion_may_run(f, t, w, fingerprint);
}

static bool may_run(const struct farm *f, const struct task *t, const struct worker *w)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (slot_may(f, t, w, i)) return retry_may_run(f, t, w);
    }
    return false;
}

/* That could run it now, and those it was lost with. */
static bool are_enough_workers(const struct farm *f, const struct task *t)
{
    uint32_t count = t->hazard.worker_count;
    for (size_t i = 0; i < f->workers.count && count < HAZARD_WORKERS; i++) {
        const struct worker *w = f->crew[i];
        count += !was_lost_with(&t->hazard, w) && may_run(f, t, w);
    }
    return count >= HAZARD_WORKERS;
}

static bool is_suspect(const struct farm *f, const struct task *t)
{
    const struct hazard *h = &t->hazard;
    if (h->losses < HAZARD_WORKERS) return false;
    return h->worker_count == HAZARD_WORKERS || !are_enough_workers(f, t);
}

void hazard_note_loss(struct farm *f, const struct attempt *a)
{
    struct task *t = a->task;
    if (!is_early(a)) return;
    t->hazard.losses++;
    t->hazard.proven = hazard_is_alone(t);
    note_worker(&t->hazard, a->worker);
    if (t->hazard.proven || !is_suspect(f, t)) return;
    chain_append(&f->hazards, &t->hazard.in_hazards);
    farm_event(f, "task.hazard", t->batch->id, t->clip, a->worker->name,
               "lost three times before its second step: it may kill its worker, and runs next "
               "where nothing else is lost with it");
}

/* ---- hosts ---- */

static bool is_ready(const struct task *t)
{
    return !chain_is_empty(&t->in_stand) && batch_is_open(t->batch);
}

static bool could_host(const struct farm *f, const struct task *t, const struct worker *w)
{
    return worker_accepts(w) && may_run(f, t, w);
}

/* Who has the least to finish before; at best it was never lost with the task. */
static bool is_better(const struct task *t, const struct worker *w, const struct worker *best)
{
    if (best == NULL) return true;
    bool lost_w = was_lost_with(&t->hazard, w), lost_best = was_lost_with(&t->hazard, best);
    if (lost_w != lost_best) return !lost_w;
    return worker_load(w) < worker_load(best);
}

static struct worker *find_host(const struct farm *f, const struct task *t)
{
    struct worker *best = NULL;
    for (size_t i = 0; i < f->workers.count; i++) {
        struct worker *w = f->crew[i];
        if (w->guest != NULL || !could_host(f, t, w)) continue;
        if (is_better(t, w, best)) best = w;
    }
    return best;
}

static bool runs_at_host(const struct task *t)
{
    CHAIN_EACH(link, &t->live)
    {
        if (CHAIN_OWNER(link, struct attempt, of_task)->worker == t->hazard.host) return true;
    }
    return false;
}

static void let_go(struct farm *f, struct task *t)
{
    const struct worker *host = t->hazard.host;
    bool waits = is_ready(t) && host != NULL && could_host(f, t, host);
    if (!waits && !runs_at_host(t)) dismiss_host(f, t);
}

static void take(struct farm *f, struct task *t)
{
    if (t->hazard.host != NULL || !is_ready(t)) return;
    struct worker *host = find_host(f, t);
    if (host == NULL) return;
    t->hazard.host = host;
    host->guest = t;
}

/* Who is let go by one may be taken by another. */
void hazard_settle(struct farm *f)
{
    CHAIN_EACH(link, &f->hazards)
    let_go(f, CHAIN_OWNER(link, struct task, hazard.in_hazards));
    if (!f->dispatch_wanted) return;
    CHAIN_EACH(link, &f->hazards)
    take(f, CHAIN_OWNER(link, struct task, hazard.in_hazards));
}

struct pick hazard_pick(const struct farm *f, const struct worker *host, uint32_t slot)
{
    struct task *t = host->guest;
    bool has_nothing = chain_is_empty(&host->attempts);
    bool may = slot_can(host, slot, t->lane) && slot_may(f, t, host, slot);
    if (!has_nothing || !is_ready(t) || !may) return (struct pick){0};
    return (struct pick){.stand = t->stand, .task = t, .clip = t->clip};
}

bool hazard_is_neglected(const struct farm *f)
{
    CHAIN_EACH(link, &f->hazards)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, hazard.in_hazards);
        if (is_ready(t) && t->hazard.host == NULL && find_host(f, t) != NULL) return true;
    }
    return false;
}

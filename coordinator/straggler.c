#include "coordinator/straggler.h"

#include "base/clock.h"
#include "coordinator/canary.h"
#include "coordinator/hazard.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/proof.h"
#include "coordinator/retry.h"

#define LOOK_AGAIN_NS (2 * NS_PER_S)
#define LOOKS 16  /* attempts looked at, of those that end last */
#define MISSES 8  /* idle slots that may find nothing before the others are not asked */
#define EARLIER 7 /* tenths of the time left */
#define LEAST_NS (3 * NS_PER_S) /* what takes less is not worth a copy */

static void look(struct farm *f, void *subject, int64_t now_ns)
{
    (void)subject, (void)now_ns;
    f->look_wanted = true;
}

void straggler_init(struct farm *f)
{
    deadline_init(&f->look, f, look);
}

/* ---- how long ---- */

/* One that is behind its time, or whose pace nobody knows, will need as long again as nothing was
 * heard of its progress. */
static int64_t time_left(const struct attempt *a, int64_t now_ns)
{
    int64_t end_ns = attempt_expected_end(a);
    int64_t news_ns = a->news_ns > a->begun_ns ? a->news_ns : a->begun_ns;
    int64_t silent = now_ns - news_ns, left = end_ns == INT64_MAX ? 0 : end_ns - now_ns;
    return left > silent ? left : silent;
}

/* Of a copy that begins now; INT64_MAX: unknown. */
static int64_t time_of_copy(const struct worker *w, const struct task *t)
{
    const struct pace *pace = worker_known_pace(w, t->lane);
    int64_t step_ns = pace != NULL ? pace_median(pace) : 0;
    int64_t usual_ns = pace_median(&t->lane->tasks);
    if (step_ns > 0) return (int64_t)t->steps * step_ns;
    return usual_ns > 0 ? usual_ns : INT64_MAX;
}

/* ---- for whom ---- */

static bool may_copy(const struct farm *f, const struct attempt *a, const struct slot *idle)
{
    const struct task *t = a->task;
    const struct worker *w = idle->worker;
    return a->worker != w && w->guest == NULL && !hazard_is_alone(t) &&
           a->place == ATTEMPT_RUNNING && !attempt_has_rival(a) && batch_is_open(t->batch) &&
           slot_can(w, idle->index, t->lane) && pin_takes(t->work, idle->fingerprint) &&
           !retry_is_blamed(t, w) && opinion_may_run(f, t, w, idle->fingerprint) &&
           work_has_inputs(t->work, t->number); /* one may have been lost since */
}

static bool is_worth_it(const struct attempt *a, const struct slot *idle, int64_t now_ns)
{
    int64_t copy_ns = time_of_copy(idle->worker, a->task), left_ns = time_left(a, now_ns);
    return left_ns > LEAST_NS && copy_ns < left_ns / 10 * EARLIER;
}

/* The first places of the heap: nearly those that end last. */
static struct attempt *straggler_for(const struct farm *f, const struct slot *idle, int64_t now_ns)
{
    const struct heap *h = &f->roster.running;
    struct attempt *best = NULL;
    for (size_t i = 0; i < h->count && i < LOOKS; i++) {
        const struct slot *s = h->nodes[i]->owner;
        struct attempt *a = s->running;
        bool later = best == NULL || time_left(a, now_ns) > time_left(best, now_ns);
        if (later && may_copy(f, a, idle) && is_worth_it(a, idle, now_ns)) best = a;
    }
    return best;
}

static void copy(struct farm *f, const struct attempt *a, struct slot *s, int64_t now_ns)
{
    if (proof_is_owed(s, a->task->lane)) {
        canary_first(f, s, a->task->lane, now_ns);
        return;
    }
    farm_event(f, "attempt.copied", a->task->batch->id, a->task->clip, a->worker->name,
               "takes long: a second one begins elsewhere");
    attempt_begin(f, a->task, s->worker, s->index, false, now_ns);
    worker_settle(f, s->worker, NULL, NULL);
    roster_place(f, s);
}

/* ---- a turn ---- */

static uint32_t room(const struct farm *f)
{
    uint32_t most = f->roster.slots / 20;
    if (most == 0) most = 1;
    return f->copies < most ? most - f->copies : 0;
}

static void copy_some(struct farm *f, int64_t now_ns)
{
    uint32_t misses = 0;
    CHAIN_EACH(link, &f->roster.idle.failed)
    {
        struct slot *s = CHAIN_OWNER(link, struct slot, in_places);
        if (room(f) == 0 || misses == MISSES) return;
        const struct attempt *a = straggler_for(f, s, now_ns);
        if (a != NULL)
            copy(f, a, s, now_ns);
        else
            misses++;
    }
}

void straggler_copy(struct farm *f, int64_t now_ns)
{
    bool some_idle = !chain_is_empty(&f->roster.idle.failed),
         some_run = f->roster.running.count > 0;
    f->look_wanted = false;
    deadline_clear(&f->timers, &f->look);
    if (!some_idle || !some_run || f->disk_low) return;
    copy_some(f, now_ns);
    deadline_set(&f->timers, &f->look, now_ns + LOOK_AGAIN_NS);
}

#include "coordinator/lease.h"

#include "base/clock.h"
#include "coordinator/credit.h"
#include "coordinator/returns.h"

/* Until a worker has shown its pace, a step may take five times what a slow machine needs for so
 * many pixels, and never less than a minute. */
#define UNKNOWN_MIN_NS (60 * NS_PER_S)
#define UNKNOWN_PIXELS_PER_MINUTE (INT64_C(256) * 256 * 16)

static int64_t unknown_limit(const struct lane *lane)
{
    int64_t pixels = (int64_t)lane->width * lane->height * lane->window;
    int64_t minutes = pixels / UNKNOWN_PIXELS_PER_MINUTE;
    return minutes > 1 ? minutes * UNKNOWN_MIN_NS : UNKNOWN_MIN_NS;
}

int64_t lease_limit(const struct worker *w, const struct lane *lane)
{
    const struct pace *steps = worker_known_pace(w, lane);
    int64_t median = steps != NULL ? pace_median(steps) : 0;
    if (median == 0) return unknown_limit(lane);
    int64_t limit = LEASE_STEP_FACTOR * median;
    return limit > LEASE_MIN_NS ? limit : LEASE_MIN_NS;
}

/* The pace of steps says nothing of how long an engine starts, reads weights and a prompt, nor of
 * how long it writes, syncs and hashes what it made. */
int64_t lease_around_limit(const struct lane *lane, int64_t limit_ns)
{
    int64_t unknown_ns = unknown_limit(lane);
    return limit_ns > unknown_ns ? limit_ns : unknown_ns;
}

/* ---- running out ---- */

/* A worker that was not heard for two beats could not have reported progress either. */
static bool is_quiet(const struct worker *w, int64_t now_ns)
{
    return w->presence != WORKER_PRESENT ||
           now_ns - w->heard_ns > 2 * (int64_t)w->heartbeat_ms * NS_PER_MS;
}

static void run_out(struct farm *f, void *subject, int64_t now_ns)
{
    struct attempt *a = subject;
    if (is_quiet(a->worker, now_ns)) {
        deadline_set(&f->leases, &a->lease, now_ns + LEASE_MIN_NS);
        return;
    }
    if (a->upload != NULL)
        attempt_dismiss(f, a, END_LOST, DROP_FENCED, "granted credit was not used", now_ns);
    else if (a->place == ATTEMPT_AWAY) /* no engine has it any more */
        attempt_dismiss(f, a, END_LOST, DROP_FENCED, "its result was not offered", now_ns);
    else
        attempt_dismiss(f, a, END_HUNG, DROP_FENCED, "no progress within its limit", now_ns);
}

void lease_init(struct attempt *a)
{
    deadline_init(&a->lease, a, run_out);
}

static bool is_stepping(const struct attempt *a)
{
    return a->phase == PHASE_RENDERING && (a->steps == 0 || a->step < a->steps);
}

void lease_renew(struct farm *f, struct attempt *a, int64_t now_ns)
{
    int64_t limit_ns =
        is_stepping(a) ? a->limit_ns : lease_around_limit(a->task->lane, a->limit_ns);
    deadline_set(&f->leases, &a->lease, now_ns + limit_ns);
}

void lease_start(struct farm *f, struct attempt *a, int64_t now_ns)
{
    a->place = ATTEMPT_RUNNING;
    a->begun_ns = now_ns;
    lease_renew(f, a, now_ns);
}

void lease_await_bytes(struct farm *f, struct attempt *a, int64_t now_ns)
{
    int64_t patience = a->upload != NULL ? credit_patience(a->upload) : CREDIT_IDLE_NS;
    deadline_set(&f->leases, &a->lease, now_ns + patience);
}

void lease_stand(struct farm *f, struct attempt *a)
{
    deadline_clear(&f->leases, &a->lease);
}

/* ---- progress ---- */

/* Reports that no honest engine makes: they renew nothing. */
uint32_t lease_steps_max(const struct task *t)
{
    return 2 * t->steps + 16;
}

static bool is_credible(const struct attempt *a, const struct farm_held *at)
{
    if (at->phase == PHASE_RENDERING) return at->step <= lease_steps_max(a->task);
    if (at->phase == PHASE_DECODING) return at->amount <= a->task->lane->window;
    return at->phase < PHASE_COUNT;
}

static bool is_ahead(const struct attempt *a, const struct farm_held *at)
{
    if (at->phase != a->phase) return at->phase > a->phase;
    if (at->step != a->step) return at->step > a->step;
    return at->amount > a->amount;
}

/* The first step is not counted: it holds the text encoder and cold caches. */
static void learn_pace(struct attempt *a, uint32_t step, int64_t now_ns)
{
    if (step <= a->step) return;
    if (a->stepped_ns != 0) {
        int64_t took_ns = now_ns - a->stepped_ns;
        uint32_t steps = step - a->step;
        a->timed_ns += took_ns;
        a->timed_steps += steps;
        pace_add(worker_pace(a->worker, a->task->lane), took_ns / steps);
    }
    a->stepped_ns = now_ns;
}

void lease_progress(struct farm *f, struct attempt *a, const struct farm_held *at, int64_t now_ns)
{
    if (!is_credible(a, at) || !is_ahead(a, at)) return;
    attempt_pay_on(a, now_ns);
    a->news_ns = now_ns;
    if (at->phase == PHASE_RENDERING) learn_pace(a, at->step, now_ns);
    a->phase = at->phase;
    if (a->phase >= PHASE_RENDERING) returns_began(f, a->task);
    if (at->step > a->step) a->step = at->step;
    if (at->steps > 0) a->steps = at->steps;
    a->amount = at->amount;
    if (a->upload == NULL && a->place != ATTEMPT_NEXT) lease_renew(f, a, now_ns);
}

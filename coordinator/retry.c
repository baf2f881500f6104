#include "coordinator/retry.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/canary.h"
#include "coordinator/hazard.h"
#include "coordinator/pin.h"
#include "coordinator/standing.h"

/* ---- T3 ---- */

struct end_rule {
    const char *event; /* NULL: no news */
    bool counts;       /* against the task and the worker */
    bool waits;        /* the next attempt waits (T7) */
};

static const struct end_rule rules[END_COUNT] = {
    [END_PREEMPTED] = {"attempt.preempted", false, false},
    [END_LOST] = {"attempt.lost", false, true},
    [END_HUNG] = {"attempt.hung", true, true},
    [END_FAILED] = {"attempt.failed", true, true},
    [END_REJECTED] = {"attempt.rejected", true, true},
    [END_RECIPE] = {"attempt.recipe", false, false},
    [END_SUSPECT] = {"attempt.suspect", false, false},
};

const char *retry_event(enum attempt_end end)
{
    return rules[end].event;
}

void retry_count_worker(struct farm *f, struct worker *w, enum attempt_end end)
{
    standing_note(f, w, end);
    if (end == END_DONE) w->finished++;
    if (rules[end].counts) w->failed++;
    if (end != END_LOST) return;
    w->lost++;
    f->attempts_lost++;
}

/* ---- T7 ---- */

/* 0, 2, 10, 60 s, and up to half of it more, so that tasks that failed together part. */
static int64_t wait_after(struct farm *f, const struct task *t)
{
    static const int64_t waits_ns[] = {0, 2 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S};
    uint32_t ends = t->counted + t->losses; /* this one included */
    if (ends == 0) return 0;                /* a bad checkpoint: nobody's fault */
    int64_t wait = waits_ns[ends > 4 ? 3 : ends - 1];
    return wait > 0 ? wait + (int64_t)farm_random(f, (uint64_t)wait / 2) : 0;
}

/* ---- T4 ---- */

static struct blame *find_blame(struct task *t, const struct worker *w)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        if (t->blamed[i].worker == w) return &t->blamed[i];
    }
    return NULL;
}

bool retry_is_blamed(const struct task *t, const struct worker *w)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        if (t->blamed[i].worker == w) return true;
    }
    return false;
}

/* S1, and S7: another fingerprint than its clip's is of no use. */
static bool can_have(const struct worker *w, const struct task *t)
{
    return worker_can(w, t->lane) && pin_fits(t->work, w);
}

static void blame(struct farm *f, struct task *t, struct worker *w)
{
    t->counted++;
    struct blame *b = find_blame(t, w);
    if (b == NULL && t->blamed_count < RETRY_DISTINCT_WORKERS) b = &t->blamed[t->blamed_count++];
    if (b != NULL) *b = (struct blame){w, w->canary.right};
    if (t->counted >= 2 && chain_is_empty(&t->in_disputed))
        chain_append(&f->disputed, &t->in_disputed);
    f->settle_wanted = true;
}

/* Somebody could run it now who has not failed it. There nearly always is: the first one found is
 * enough. Who came last is most often here, and who left is never forgotten. */
static bool somebody_is_left(const struct farm *f, const struct task *t)
{
    for (size_t i = f->workers.count; i-- > 0;) {
        const struct worker *w = f->crew[i];
        if (can_have(w, t) && !retry_is_blamed(t, w)) return true;
    }
    return false;
}

bool retry_may_run(const struct farm *f, const struct task *t, const struct worker *w)
{
    if (!retry_is_blamed(t, w)) return true;
    return t->counted < 2 && !somebody_is_left(f, t); /* from two on T4 waits for canaries */
}

/* It rendered a canary right since. */
static bool is_proven(const struct blame *b)
{
    return b->worker->canary.right > b->canaries_right;
}

static void want_canaries(struct farm *f, const struct task *t)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        const struct blame *b = &t->blamed[i];
        if (!is_proven(b) && can_have(b->worker, t)) canary_want(f, b->worker);
    }
}

struct verdict { /* of who failed it and could run it now */
    uint32_t count;
    uint32_t proven;
};

static struct verdict verdict_of(const struct task *t)
{
    struct verdict v = {0};
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        if (!can_have(t->blamed[i].worker, t)) continue;
        v.count++;
        v.proven += is_proven(&t->blamed[i]);
    }
    return v;
}

static void fail_as_last(struct farm *f, struct task *t, int64_t now_ns)
{
    char *message = xstrdup(t->last_message);
    work_fail(f, t->work, t, attempt_end_name(t->last_end), message, now_ns);
    free(message);
}

/* True when the task failed: its clip took others out of the list as well. */
static bool settle(struct farm *f, struct task *t, int64_t now_ns)
{
    if (t->state != TASK_WAITING || t->counted < 2) return false;
    const struct verdict v = verdict_of(t);
    if (v.count == 0 || somebody_is_left(f, t)) return false;
    if (v.proven == v.count) {
        fail_as_last(f, t, now_ns);
        return true;
    }
    want_canaries(f, t);
    return false;
}

static bool settle_some(struct farm *f, int64_t now_ns)
{
    CHAIN_EACH(link, &f->disputed)
    {
        if (settle(f, CHAIN_OWNER(link, struct task, in_disputed), now_ns)) return true;
    }
    return false;
}

void retry_settle(struct farm *f, int64_t now_ns)
{
    if (!f->settle_wanted) return;
    f->settle_wanted = false;
    while (settle_some(f, now_ns))
        continue;
}

/* ---- after an end ---- */

void retry_after(struct farm *f, struct task *t, struct worker *w, enum attempt_end end,
                 bool unbegun, const char *message, int64_t now_ns)
{
    if (t->state != TASK_LEASED) return; /* decided otherwise: done, failed or canceled */
    bool counts = rules[end].counts && w != NULL;
    if (counts) {
        task_note_end(t, end, message);
        blame(f, t, w);
    }
    if (end == END_LOST && !unbegun) t->losses++;
    bool enough = t->blamed_count == RETRY_DISTINCT_WORKERS;
    bool kills = end == END_LOST && hazard_is_proven(t);
    if (kills) message = "lost four times before its second step: it seems to kill its worker";
    if (end == END_RECIPE || kills || (counts && enough)) {
        work_fail(f, t->work, t, attempt_end_name(end), message, now_ns);
        return;
    }
    if (!chain_is_empty(&t->live))
        task_save(f, t, true);
    else
        task_requeue(f, t, rules[end].waits && !unbegun ? wait_after(f, t) : 0, now_ns);
}

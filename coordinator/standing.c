#include "coordinator/standing.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "coordinator/canary.h"
#include "coordinator/roster.h"

#define IN_A_ROW 3
#define OF_TEN 5
#define TEN 10
#define LOSSES 3
#define DISPROOFS 3
#define AGAIN_NS (60 * NS_PER_S)

/* ---- suspicion ---- */

static uint32_t counted_of_ten(const struct standing *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < TEN; i++)
        count += (s->last_ten >> i) & 1U;
    return count;
}

static const char *doubt(const struct standing *s)
{
    if (s->in_a_row >= IN_A_ROW) return "three tasks in a row ended badly: a canary comes next";
    if (counted_of_ten(s) >= OF_TEN)
        return "five of its last ten tasks ended badly: a canary comes next";
    if (s->losses >= LOSSES) return "it was lost with three tasks: a canary comes next";
    return NULL;
}

static void suspect(struct farm *f, struct worker *w, const char *why)
{
    w->standing = (struct standing){.suspected = true, .suspected_right = w->canary.right};
    farm_event(f, "worker.suspected", NULL, -1, w->name, why);
    worker_explain(w, why, NULL);
    canary_want(f, w);
}

static void note_finish(struct standing *s)
{
    s->in_a_row = 0;
    s->losses = 0;
    s->last_ten = (s->last_ten << 1) & ((1U << TEN) - 1);
}

static void note_count(struct standing *s)
{
    s->in_a_row++;
    s->last_ten = ((s->last_ten << 1) | 1U) & ((1U << TEN) - 1);
}

void standing_note(struct farm *f, struct worker *w, enum attempt_end end)
{
    struct standing *s = &w->standing;
    if (end == END_DONE) note_finish(s);
    if (end == END_LOST) s->losses++;
    if (end == END_HUNG || end == END_FAILED || end == END_REJECTED) note_count(s);
    const char *why = w->quarantined || w->canary.wanted ? NULL : doubt(s);
    if (why != NULL) suspect(f, w, why);
}

bool standing_is_shaky(const struct worker *w)
{
    const struct standing *s = &w->standing;
    return s->in_a_row + 1 >= IN_A_ROW || counted_of_ten(s) + 1 >= OF_TEN;
}

/* ---- disproof ---- */

/* W3 means the tasks that led to the suspicion; what went wrong after a right canary is another
 * matter, and has to add up anew. */
static bool led_to_suspicion(const struct blame *b)
{
    const struct standing *s = &b->worker->standing;
    return s->suspected && b->canaries_right <= s->suspected_right;
}

void standing_disprove(struct farm *f, const struct task *t, const struct worker *w, int64_t now_ns)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        struct worker *other = t->blamed[i].worker;
        if (other == w || other->quarantined || !led_to_suspicion(&t->blamed[i])) continue;
        if (++other->standing.disproofs < DISPROOFS) continue;
        standing_quarantine(f, other,
                            "its canary was right, but others finished three tasks that it did "
                            "not; `zoe worker readmit` lets it back",
                            NULL, AGAIN_NS, now_ns);
    }
}

/* ---- striking ---- */

static bool strike_from(struct task *t, const struct worker *w)
{
    for (uint32_t i = 0; i < t->blamed_count; i++) {
        if (t->blamed[i].worker != w || t->blamed[i].canaries_right != w->canary.right) continue;
        t->blamed[i] = t->blamed[--t->blamed_count];
        if (t->counted > 0) t->counted--;
        return true;
    }
    return false;
}

/* Rare: all tasks that are open are looked at. */
void standing_strike(struct farm *f, struct worker *w)
{
    for (size_t i = 0; i < f->batches.count; i++) {
        struct task *t = NULL;
        for (size_t k = 0; (t = table_next(&f->order[i]->tasks, &k, NULL, NULL)) != NULL;) {
            if (!strike_from(t, w)) continue;
            if (t->counted < 2) chain_remove(&t->in_disputed);
            task_save(f, t, true);
        }
    }
    f->settle_wanted = true;
    f->dispatch_wanted = true;
}

/* ---- quarantine ---- */

static void take_away(struct farm *f, struct worker *w, int64_t now_ns)
{
    while (!chain_is_empty(&w->attempts)) {
        struct attempt *a = CHAIN_OWNER(w->attempts.next, struct attempt, of_worker);
        attempt_dismiss(f, a, END_HANDED_BACK, DROP_FENCED, "its worker is in quarantine", now_ns);
    }
}

void standing_quarantine(struct farm *f, struct worker *w, const char *reason, const char *by,
                         int64_t wait_ns, int64_t now_ns)
{
    canary_drop(f, w); /* one that is out says nothing of what led here */
    w->standing = (struct standing){.held = by != NULL};
    w->quarantined = true;
    w->admitted = false;
    w->canary.wanted = by == NULL;
    if (by == NULL)
        deadline_set(&f->timers, &w->canary.again, now_ns + wait_ns);
    else
        deadline_clear(&f->timers, &w->canary.again);
    worker_explain(w, reason, by);
    take_away(f, w, now_ns);
    roster_touch(f, w);
    worker_settle(f, w, reason, by);
    if (by != NULL && w->state != WORKER_QUARANTINED) /* it is away, and its state no news */
        farm_event(f, "worker.quarantined", NULL, -1, w->name, reason);
    worker_save(f, w);
}

void standing_say_anew(struct farm *f, struct worker *w, const char *reason, const char *by)
{
    if (strcmp(w->reason, reason) == 0 && strcmp(w->by, by) == 0) return;
    worker_explain(w, reason, by);
    if (w->state == WORKER_QUARANTINED) w->since_ms = f->wall_ms;
    worker_save(f, w);
    farm_event(f, "worker.quarantined", NULL, -1, w->name, reason);
}

void standing_readmit(struct farm *f, struct worker *w, const char *by)
{
    static const char why[] = "readmitted: a canary comes first";
    w->standing = (struct standing){.held = false};
    w->quarantined = false;
    w->canary.wrong = 0;
    deadline_clear(&f->timers, &w->canary.again);
    canary_want(f, w);
    roster_touch(f, w);
    worker_explain(w, why, by);
    worker_settle(f, w, why, by);
    worker_save(f, w);
    farm_event(f, "worker.readmitted", NULL, -1, w->name, by);
}

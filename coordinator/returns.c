#include "coordinator/returns.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/batch.h"

#define LONGEST_NS (3600 * NS_PER_S)
#define PROBES 16 /* woken at once, until one of them begins */

uint64_t returns_file(const struct digest *sha256)
{
    uint64_t number;
    memcpy(&number, sha256->bytes, sizeof(number));
    return number > RETURNS_UNKNOWN ? number : number + 3; /* none of the others */
}

static void refresh(struct farm *f, struct batch *b)
{
    for (uint32_t i = 0; i < b->group_count; i++)
        batch_refresh_group(f, &b->groups[i]);
}

/* ---- clips that were never tried ---- */

static void go_on(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    refresh(f, subject);
}

void returns_init(struct batch *b)
{
    deadline_init(&b->held, b, go_on);
}

void returns_finish(struct farm *f, struct batch *b)
{
    deadline_clear(&f->timers, &b->held);
}

bool returns_hold(const struct batch *b)
{
    return deadline_is_set(&b->held);
}

void returns_note_fresh(struct farm *f, struct batch *b, int64_t now_ns)
{
    if (b->misses < RETURNS_MISSES || returns_hold(b)) return;
    deadline_set(&f->timers, &b->held, now_ns + RETURNS_EACH_NS);
    refresh(f, b);
}

static void note_miss(struct farm *f, struct batch *b, int64_t now_ns)
{
    b->misses++;
    returns_note_fresh(f, b, now_ns);
}

static void end_misses(struct farm *f, struct batch *b)
{
    b->misses = 0;
    if (!returns_hold(b)) return;
    deadline_clear(&f->timers, &b->held);
    refresh(f, b);
}

/* ---- waiting ---- */

static int64_t own_wait(const struct task *t, enum return_why why)
{
    static const int64_t waits_ns[] = {0, 2 * NS_PER_S, 10 * NS_PER_S, 60 * NS_PER_S,
                                       300 * NS_PER_S};
    const uint32_t last = sizeof(waits_ns) / sizeof(waits_ns[0]) - 1;
    const uint32_t at = t->returns + (why != RETURN_UNASKED);
    return waits_ns[at < last ? at : last];
}

static int64_t turn_in_batch(const struct batch *b)
{
    const int64_t wait_ns = b->lacking * RETURNS_EACH_NS;
    return wait_ns < LONGEST_NS ? wait_ns : LONGEST_NS;
}

bool returns_is_certain(uint64_t lacks)
{
    return lacks != RETURNS_NOTHING && lacks != RETURNS_UNKNOWN;
}

static void set_lacks(struct task *t, uint64_t lacks)
{
    t->batch->lacking += returns_is_certain(lacks);
    t->batch->lacking -= returns_is_certain(t->lacks);
    t->lacks = lacks;
}

int64_t returns_wait(struct farm *f, struct task *t, enum return_why why, uint64_t lacks,
                     const char *message, int64_t now_ns)
{
    const bool unmade = why == RETURN_UNMADE;
    set_lacks(t, unmade ? lacks : why == RETURN_LACKED ? RETURNS_UNKNOWN : RETURNS_NOTHING);
    const int64_t own_ns = own_wait(t, why), turn_ns = unmade ? turn_in_batch(t->batch) : 0;
    t->returns++;
    free(t->return_message);
    t->return_message = xstrdup(message);
    if (unmade) note_miss(f, t->batch, now_ns);
    return own_ns > turn_ns ? own_ns : turn_ns;
}

void returns_forget(struct task *t)
{
    set_lacks(t, RETURNS_NOTHING);
}

/* ---- going on ---- */

static bool may_go_on(const struct task *t, uint64_t lacks)
{
    if (t->lacks == RETURNS_NOTHING || !deadline_is_set(&t->again)) return false;
    return lacks == RETURNS_NOTHING || t->lacks == lacks || t->lacks == RETURNS_UNKNOWN;
}

/* A few: they are to show that it is here. All: it is, and they lack nothing. */
static bool wake(struct farm *f, struct batch *b, uint64_t lacks, bool all)
{
    struct task *t = NULL;
    uint32_t woken = 0;
    const uint32_t most = all ? UINT32_MAX : PROBES;
    for (size_t i = 0; woken < most && (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        if (!may_go_on(t, lacks)) continue;
        if (all) returns_forget(t);
        t->returns = 0;
        deadline_clear(&f->timers, &t->again);
        task_ready(f, t);
        woken++;
    }
    return woken > 0;
}

bool returns_wake(struct farm *f, struct batch *b, uint64_t lacks)
{
    return wake(f, b, lacks, false);
}

void returns_began(struct farm *f, struct task *t)
{
    const uint64_t lacked = t->lacks;
    if (t->batch->misses > 0) end_misses(f, t->batch);
    if (lacked == RETURNS_NOTHING) return;
    returns_forget(t);
    if (returns_is_certain(lacked)) (void)wake(f, t->batch, lacked, true);
}

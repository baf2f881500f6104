#include "coordinator/returns.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/batch.h"

#define EACH_NS (300 * NS_PER_MS) /* between two tries of a batch's tasks that lack something */
#define LONGEST_NS (3600 * NS_PER_S)

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
    const int64_t wait_ns = b->lacking * EACH_NS;
    return wait_ns < LONGEST_NS ? wait_ns : LONGEST_NS;
}

static void set_lacks(struct task *t, bool lacks)
{
    if (lacks && !t->lacks) t->batch->lacking++;
    if (!lacks && t->lacks) t->batch->lacking--;
    t->lacks = lacks;
}

int64_t returns_wait(struct task *t, enum return_why why, const char *message)
{
    set_lacks(t, why == RETURN_UNMADE);
    const int64_t own_ns = own_wait(t, why), turn_ns = t->lacks ? turn_in_batch(t->batch) : 0;
    t->returns++;
    free(t->return_message);
    t->return_message = xstrdup(message);
    return own_ns > turn_ns ? own_ns : turn_ns;
}

void returns_forget(struct task *t)
{
    set_lacks(t, false);
}

bool returns_wake(struct farm *f, struct batch *b)
{
    struct task *t = NULL;
    bool woken = false;
    if (b->lacking == 0) return false;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;) {
        if (!t->lacks || !deadline_is_set(&t->again)) continue;
        t->returns = 0;
        deadline_clear(&f->timers, &t->again);
        task_ready(f, t);
        woken = true;
    }
    return woken;
}

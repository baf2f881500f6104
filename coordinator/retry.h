/* retry: what an attempt's end means for its task and its worker (T3), how long it waits (T7), and
 * when a task has failed for good (T4). */
#ifndef ZOE_COORDINATOR_RETRY_H
#define ZOE_COORDINATOR_RETRY_H

#include "coordinator/worker_core.h"

/* The task of an attempt of `w` that has just ended, otherwise than by its result. `w` NULL: it
 * counts against nobody (T6). `unbegun` tells nothing of the task. */
void retry_after(struct farm *f, struct task *t, struct worker *w, enum attempt_end end,
                 bool unbegun, const char *message, int64_t now_ns);
/* Counts the end in the worker's own record. */
void retry_count_worker(struct farm *f, struct worker *w, enum attempt_end end);
/* "attempt.lost" and the like; NULL for ends that are not news. */
const char *retry_event(enum attempt_end end);

/* S1: this worker may have it: it never counted against it, or every capable worker has. */
bool retry_may_run(const struct farm *f, const struct task *t, const struct worker *w);
/* It counted against it. */
bool retry_is_blamed(const struct task *t, const struct worker *w);
/* T4 for tasks that fewer than three capable workers have tried; wants canaries where one is
 * missing. */
void retry_settle(struct farm *f, int64_t now_ns);

#endif

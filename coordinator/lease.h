/* lease: the clock of an attempt (L1). It starts when a slot begins the attempt, is renewed by
 * progress only, and stands while the coordinator owes something. What runs out is hung, unless its
 * worker is silent: then the session decides (L2). */
#ifndef ZOE_COORDINATOR_LEASE_H
#define ZOE_COORDINATOR_LEASE_H

#include "coordinator/worker_core.h"

/* How long an attempt of this kind may show no progress on this worker. */
int64_t lease_limit(const struct worker *w, const struct lane *lane);
/* The same before and after the steps: files, engine, weights and prompt come first, the file of
 * the result last. */
int64_t lease_around_limit(const struct lane *lane, int64_t limit_ns);
/* More steps than that no honest engine reports of it. */
uint32_t lease_steps_max(const struct task *t);
void lease_init(struct attempt *a);
/* The attempt begins to run in its slot: the limit counts from now. */
void lease_start(struct farm *f, struct attempt *a, int64_t now_ns);
void lease_renew(struct farm *f, struct attempt *a, int64_t now_ns);
/* Granted credit must be used by then (L1). */
void lease_await_bytes(struct farm *f, struct attempt *a, int64_t now_ns);
/* The coordinator owes something: the clock stands. */
void lease_stand(struct farm *f, struct attempt *a);
/* Takes over a report; renews when it is ahead of everything seen before. */
void lease_progress(struct farm *f, struct attempt *a, const struct farm_held *at, int64_t now_ns);

#endif

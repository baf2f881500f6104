/* held: what a worker says it has, against what it should have (T1). */
#ifndef ZOE_COORDINATOR_HELD_H
#define ZOE_COORDINATOR_HELD_H

#include "coordinator/worker_core.h"

/* From a heartbeat. Attempts sent at or before the last message it handled and not listed are lost;
 * listed ones that are not its own (any more) are canceled; the others report progress. */
void held_reconcile(struct farm *f, struct worker *w, const struct farm_heartbeat *beat,
                    int64_t now_ns);
/* From a Hello of the same boot: every listed attempt goes on in the new session, in the place the
 * list gives it; what never arrived is sent again. */
void held_rebind(struct farm *f, struct worker *w, const struct farm_hello *hello, int64_t now_ns);
/* From a Hello of another boot: results wait on its disk (W5) and outlive the process. Their
 * attempts leave their places; the mark that they bear now. */
uint64_t held_spare_results(struct farm *f, struct worker *w, const struct farm_hello *hello);
/* These go on in the new session; what else it lists is not its own: canceled, but for results,
 * which may be offered. */
void held_take_over(struct farm *f, struct worker *w, const struct farm_hello *hello,
                    int64_t now_ns);
/* A prefetched attempt has begun; what ran in its slot has left it. */
void held_started(struct farm *f, struct attempt *a, int64_t now_ns);

#endif

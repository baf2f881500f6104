/* canary: a tiny fixed render whose answer is known (W2). A worker renders one at joining, after
 * that when T4 asks; a wrong one puts it into quarantine, until a right one 1, 5 or 25 min later.
 */
#ifndef ZOE_COORDINATOR_CANARY_H
#define ZOE_COORDINATOR_CANARY_H

#include "coordinator/worker_core.h"

void canary_init(struct worker *w);
/* The worker gets no other work until it has rendered one. */
void canary_want(struct farm *f, struct worker *w);
/* Into an empty slot, if it has one. */
void canary_assign(struct farm *f, struct worker *w, int64_t now_ns);
/* frames_sha256 NULL: it failed. */
void canary_done(struct farm *f, struct worker *w, uint64_t number,
                 const struct digest *frames_sha256, const char *message, int64_t now_ns);
/* The one that is out is not rendered: handed back, or its session ended. It stays wanted. */
void canary_drop(struct farm *f, struct worker *w);

#endif

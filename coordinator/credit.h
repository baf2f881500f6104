/* credit: the one pool of bytes that may be under way to the coordinator (D3): each transfer has a
 * window, checkpoints of leaving workers come first, then the oldest result, and nothing flows
 * while the disk is low (D1). */
#ifndef ZOE_COORDINATOR_CREDIT_H
#define ZOE_COORDINATOR_CREDIT_H

#include "coordinator/attempt.h"

/* Waits for credit from now on; no-op when it does already. */
void credit_join(struct farm *f, struct upload *u, int64_t now_ns);
/* Takes back what was granted and has not arrived. */
void credit_withdraw(struct farm *f, struct upload *u);
/* `offset` bytes of the current output are here. */
void credit_used(struct farm *f, struct upload *u, uint64_t offset, int64_t now_ns);
/* How long credit may still lie unused: CREDIT_IDLE_NS in all, to which every new kB adds a second
 * again. Offering once more adds nothing, or who never sends would keep a task for ever. */
int64_t credit_patience(const struct upload *u);
/* Nothing can come now: neither can it be missed. */
void credit_rest(struct upload *u, int64_t now_ns);
/* Nor while its worker was away; but whoever comes back over and over tries our patience. */
void credit_part(struct upload *u);
/* Grants what the pool allows. */
void credit_distribute(struct farm *f, int64_t now_ns);

#endif

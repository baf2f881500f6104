/* credit: the one pool of bytes that may be under way to the coordinator (D3): each transfer has a
 * window, the oldest offer comes first, and nothing flows while the disk is low (D1). */
#ifndef ZOE_COORDINATOR_CREDIT_H
#define ZOE_COORDINATOR_CREDIT_H

#include "coordinator/attempt.h"

/* Takes back what was granted and has not arrived. */
void credit_withdraw(struct farm *f, struct attempt *a);
/* `offset` bytes of the current output are here. */
void credit_used(struct farm *f, struct attempt *a, uint64_t offset, int64_t now_ns);
/* Grants what the pool allows. */
void credit_distribute(struct farm *f, int64_t now_ns);

#endif

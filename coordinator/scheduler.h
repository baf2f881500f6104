/* scheduler: which slot does what next (S1 to S3, S7, W4). */
#ifndef ZOE_COORDINATOR_SCHEDULER_H
#define ZOE_COORDINATOR_SCHEDULER_H

#include "coordinator/worker_core.h"

struct pick {
    struct stand *stand; /* NULL = nothing for this slot */
    struct task *task;   /* an open one, or NULL: the fresh clip */
    uint32_t clip;
    struct batch *passed; /* its turn it would have been, but this one is warm; NULL = nobody's */
};

/* O(log batches), constant in clips. */
struct pick scheduler_pick(struct farm *f, const struct worker *w, uint32_t slot, int64_t now_ns);
/* Gives every slot what it can take: canaries, then running work, then one prefetched each; then
 * recalls prefetched work that idle slots could run, and copies what takes too long. Looks only at
 * what changed (roster.h). */
void scheduler_dispatch(struct farm *f, int64_t now_ns);

#endif

/* scheduler: which slot does what next (S1, S2 by priority, submit order and clip; S3, S7, W4). */
#ifndef ZOE_COORDINATOR_SCHEDULER_H
#define ZOE_COORDINATOR_SCHEDULER_H

#include "coordinator/worker_core.h"

struct pick {
    struct stand *stand; /* NULL = nothing for this slot */
    struct task *task;   /* an open one, or NULL: the fresh clip */
    uint32_t clip;
};

/* O(log batches), constant in clips. */
struct pick scheduler_pick(struct farm *f, const struct worker *w, uint32_t slot);
/* Gives every slot what it can take: canaries, then running work, then one prefetched each; then
 * recalls prefetched work that idle slots could run. */
void scheduler_dispatch(struct farm *f, int64_t now_ns);

#endif

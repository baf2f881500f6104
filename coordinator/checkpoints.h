/* checkpoints: latents of an unfinished attempt (T6). Until the core keeps them every one is
 * answered as seen and not kept, so that its worker never waits for it. */
#ifndef ZOE_COORDINATOR_CHECKPOINTS_H
#define ZOE_COORDINATOR_CHECKPOINTS_H

#include "coordinator/worker_core.h"

void checkpoint_take(struct farm *f, struct worker *w, const struct farm_checkpoint *checkpoint);

#endif

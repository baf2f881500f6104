/* straggler: a second copy of what takes too long, where nothing waits for a slot (S4). */
#ifndef ZOE_COORDINATOR_STRAGGLER_H
#define ZOE_COORDINATOR_STRAGGLER_H

#include "coordinator/farm_state.h"

void straggler_init(struct farm *f);
/* Idle slots that found nothing get a copy of the attempt that ends last, if theirs is expected to
 * end 30 % earlier. The first that is stored and verified wins. Looks again in a while as long as
 * slots are idle and others are not. */
void straggler_copy(struct farm *f, int64_t now_ns);

#endif

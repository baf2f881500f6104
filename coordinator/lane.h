/* lane: all groups of one shape. They fit the same slots and take the same time, so a scheduler
 * needs to look at the first of each lane only (S5). Lanes stay for the life of the farm. */
#ifndef ZOE_COORDINATOR_LANE_H
#define ZOE_COORDINATOR_LANE_H

#include "coordinator/farm_state.h"
#include "coordinator/pace.h"

struct lane {
    struct shape shape;
    struct heap ready;     /* groups with work, first in order first */
    struct chain in_ready; /* farm.ready while the heap is not empty */
    struct pace clips;     /* from start to offer */
};

/* The lane of this shape, made when it is new. */
struct lane *lane_of(struct farm *f, const struct shape *shape);
void lane_free(struct lane *lane);
void lane_put(struct farm *f, struct lane *lane, struct heap_node *group, int64_t order);
void lane_take(struct lane *lane, struct heap_node *group); /* no-op when it is not in */

#endif

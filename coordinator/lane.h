/* lane: all work of one kind: the same model, size, number of frames at a time and steps. It fits
 * the same slots and takes the same time, so a scheduler needs to look at the first of each lane
 * only (S5). How long a clip is does not matter: its tasks are of one size. Lanes stay for the life
 * of the farm. */
#ifndef ZOE_COORDINATOR_LANE_H
#define ZOE_COORDINATOR_LANE_H

#include "coordinator/farm_state.h"
#include "coordinator/pace.h"

struct lane {
    struct digest model;
    struct digest loras; /* zero = none */
    uint32_t width;
    uint32_t height;
    uint32_t window;       /* frames that a task sees */
    uint32_t steps;        /* that a task runs at most */
    struct heap ready;     /* stands with work, first in order first */
    struct chain in_ready; /* farm.ready while the heap is not empty */
    struct pace tasks;     /* from start to offer */
};

/* The lane in which tasks of this stage of the shape stand, made when it is new. */
struct lane *lane_of(struct farm *f, const struct shape *shape, uint32_t stage);
void lane_free(struct lane *lane);
void lane_put(struct farm *f, struct lane *lane, struct heap_node *stand, int64_t order);
void lane_take(struct lane *lane, struct heap_node *stand); /* no-op when it is not in */

#endif

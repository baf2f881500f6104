/* lane: all work of one kind: the same model, size, number of frames at a time and steps. It fits
 * the same slots and takes the same time, so a scheduler needs to look at the first of each lane
 * only (S5). How long a clip is does not matter: its tasks are of one size. Lanes stay for the life
 * of the farm.
 *
 * Inside, S2's order: tiers by priority, in them a shelf an owner, on it the stands of his batches.
 * Shelves and stands lie in heaps by their share_key. Those only grow, so a heap may know an older
 * one: what comes first is put right when it is asked for. */
#ifndef ZOE_COORDINATOR_LANE_H
#define ZOE_COORDINATOR_LANE_H

#include "coordinator/farm_state.h"
#include "coordinator/pace.h"
#include "coordinator/share.h"

struct model_canary;
struct stand;

struct tier {
    int32_t priority;
    struct heap shelves; /* none is empty */
    struct chain in_lane;
};

struct shelf {
    struct tier *tier;
    struct owner *owner;
    struct heap stands;
    struct heap_node in_tier;
};

struct lane {
    struct digest model;
    struct digest loras; /* zero = none */
    uint32_t width;
    uint32_t height;
    uint32_t window;                   /* frames that a task sees */
    uint32_t steps;                    /* that a task runs at most */
    uint64_t memory_bytes;             /* that a slot needs, 0 = not known */
    struct chain tiers;                /* with work, highest priority first */
    struct chain in_ready;             /* farm.ready while there are any */
    struct pace tasks;                 /* from start to offer */
    const struct model_canary *canary; /* of its model (proof.h); NULL = none */
};

/* The lane in which tasks of this stage of the shape stand, made when it is new. */
struct lane *lane_of(struct farm *f, const struct shape *shape, uint32_t stage);
void lane_free(struct lane *lane);
/* True when it was not in. */
bool lane_put(struct farm *f, struct stand *stand);
void lane_take(struct stand *stand); /* no-op when it is not in */
/* The first in S2's order; NULL: nothing is in. */
struct stand *lane_first(struct lane *lane);
struct shelf *tier_first(struct tier *tier);
/* Work of `b` finds what work of `a` needs in memory. */
bool lane_is_alike(const struct lane *a, const struct lane *b);

/* The owner of this name, made when new. */
struct owner *lane_owner(struct farm *f, const char *name);
/* His weight changed: his shelves move. */
void lane_owner_moved(struct farm *f, const struct owner *owner);

#endif

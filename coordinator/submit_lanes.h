/* submit_lanes: which submissions that are here as a whole are checked now. A check may take
 * minutes (millions of lines that all differ), and results, stitches and models need threads of the
 * same pool: so one small and one large submission are checked at a time, and the next is of the
 * owner whose turn in its lane is the longest ago. Room-internal: submit_check.c. Loop thread. */
#ifndef ZOE_COORDINATOR_SUBMIT_LANES_H
#define ZOE_COORDINATOR_SUBMIT_LANES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"

#define SUBMIT_LANES 2
#define SUBMIT_SMALL_BYTES (1024 * 1024)
#define SUBMIT_LANE_OWNERS 256 /* whose turns a lane remembers: those that had one last */

struct submit_transfer;
struct submit_transfers;

struct submit_lane {
    bool busy;
    uint64_t turn;       /* so many have entered */
    struct table served; /* owner -> uint64_t, its last turn, owned; the longest ago first */
};

struct submit_lanes { /* outlives its owner while checks are on their way */
    int refs;
    struct submit_transfers *owner; /* NULL: gone */
    struct submit_lane lane[SUBMIT_LANES];
};

struct submit_lanes *submit_lanes_create(struct submit_transfers *owner);
void submit_lanes_unref(struct submit_lanes *l);

int submit_lanes_of(const struct submit_transfer *t);
/* Of the owner whose turn is the longest ago, or who has had none, the one that waits the longest;
 * NULL: the lane is busy, or nothing waits for it. */
struct submit_transfer *submit_lanes_next(const struct submit_lanes *l, int lane);
/* It is being checked now: its owner's turn. A reference is the check's. */
void submit_lanes_enter(struct submit_lanes *l, struct submit_transfer *t);
/* The check has ended; gives the reference back. The owner, or NULL. */
struct submit_transfers *submit_lanes_leave(struct submit_lanes *l, int lane);

#endif

/* submit_lanes: which submissions that are here as a whole are checked now. A check may take
 * minutes (millions of lines that all differ), and results, stitches and models need threads of the
 * same pool: so one small and one large submission are checked at a time, of the owners in turn.
 * Room-internal: submit_check.c. Loop thread. */
#ifndef ZOE_COORDINATOR_SUBMIT_LANES_H
#define ZOE_COORDINATOR_SUBMIT_LANES_H

#include <stdbool.h>

#include "proto/limits.h"

#define SUBMIT_LANES 2
#define SUBMIT_SMALL_BYTES (1024 * 1024)

struct submit_transfer;
struct submit_transfers;

struct submit_lanes { /* outlives its owner while checks are on their way */
    int refs;
    struct submit_transfers *owner; /* NULL: gone */
    struct {
        bool busy;
        char last[LIMIT_NAME_BYTES + 1]; /* whose turn it was */
    } lane[SUBMIT_LANES];
};

struct submit_lanes *submit_lanes_create(struct submit_transfers *owner);
void submit_lanes_unref(struct submit_lanes *l);

int submit_lanes_of(const struct submit_transfer *t);
/* The one that waits the longest, of another owner than the last if there is one; NULL: the lane is
 * busy, or nothing waits for it. */
struct submit_transfer *submit_lanes_next(const struct submit_lanes *l, int lane);
/* It is being checked now. A reference is the check's. */
void submit_lanes_enter(struct submit_lanes *l, struct submit_transfer *t);
/* The check has ended; gives the reference back. The owner, or NULL. */
struct submit_transfers *submit_lanes_leave(struct submit_lanes *l, int lane);

#endif

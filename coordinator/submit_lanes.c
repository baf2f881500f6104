#include "coordinator/submit_lanes.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "coordinator/submit_transfer_state.h"

struct submit_lanes *submit_lanes_create(struct submit_transfers *owner)
{
    struct submit_lanes *l = xcalloc(1, sizeof *l);
    *l = (struct submit_lanes){.refs = 1, .owner = owner};
    return l;
}

void submit_lanes_unref(struct submit_lanes *l)
{
    if (--l->refs > 0) return;
    for (int lane = 0; lane < SUBMIT_LANES; lane++)
        table_finish_all(&l->lane[lane].served);
    free(l);
}

int submit_lanes_of(const struct submit_transfer *t)
{
    return t->request.size_bytes > SUBMIT_SMALL_BYTES;
}

/* ---- turns ---- */

static uint64_t last_turn(const struct submit_lane *lane, const char *owner)
{
    const uint64_t *turn = table_get_text(&lane->served, owner);
    return turn != NULL ? *turn : 0;
}

/* Who is forgotten counts as never served: first in turn, as it was already. */
static void forget_the_oldest(struct submit_lane *lane)
{
    size_t cursor = 0, size;
    const void *owner;
    if (table_next(&lane->served, &cursor, &owner, &size) != NULL)
        free(table_remove(&lane->served, owner, size));
}

/* Removed first: one that is set anew would keep its place. */
static void take_turn(struct submit_lane *lane, const char *owner)
{
    uint64_t *turn = table_remove_text(&lane->served, owner);
    if (turn == NULL) turn = xmalloc(sizeof *turn);
    *turn = ++lane->turn;
    (void)table_set_text(&lane->served, owner, turn);
    if (lane->served.count > SUBMIT_LANE_OWNERS) forget_the_oldest(lane);
}

/* ---- the lanes ---- */

/* The newest is first in the list. */
struct submit_transfer *submit_lanes_next(const struct submit_lanes *l, int lane)
{
    struct submit_transfer *best = NULL;
    uint64_t best_turn = UINT64_MAX;
    if (l->lane[lane].busy) return NULL;
    for (struct submit_transfer *t = l->owner->first; t != NULL; t = t->next) {
        if (t->state != TRANSFER_WHOLE || submit_lanes_of(t) != lane) continue;
        const uint64_t turn = last_turn(&l->lane[lane], t->request.owner);
        if (turn > best_turn) continue;
        best = t;
        best_turn = turn;
    }
    return best;
}

void submit_lanes_enter(struct submit_lanes *l, struct submit_transfer *t)
{
    struct submit_lane *lane = &l->lane[submit_lanes_of(t)];
    l->refs++;
    lane->busy = true;
    take_turn(lane, t->request.owner);
}

struct submit_transfers *submit_lanes_leave(struct submit_lanes *l, int lane)
{
    struct submit_transfers *owner = l->owner;
    l->lane[lane].busy = false;
    submit_lanes_unref(l);
    return owner;
}

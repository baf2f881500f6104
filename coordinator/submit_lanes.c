#include "coordinator/submit_lanes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (--l->refs == 0) free(l);
}

int submit_lanes_of(const struct submit_transfer *t)
{
    return t->request.size_bytes > SUBMIT_SMALL_BYTES;
}

/* The newest is first in the list. */
struct submit_transfer *submit_lanes_next(const struct submit_lanes *l, int lane)
{
    struct submit_transfer *best = NULL;
    bool best_is_last = true;
    if (l->lane[lane].busy) return NULL;
    for (struct submit_transfer *t = l->owner->first; t != NULL; t = t->next) {
        if (t->state != TRANSFER_WHOLE || submit_lanes_of(t) != lane) continue;
        const bool is_last = strcmp(t->request.owner, l->lane[lane].last) == 0;
        if (is_last && !best_is_last) continue;
        best = t;
        best_is_last = is_last;
    }
    return best;
}

void submit_lanes_enter(struct submit_lanes *l, struct submit_transfer *t)
{
    const int lane = submit_lanes_of(t);
    l->refs++;
    l->lane[lane].busy = true;
    (void)snprintf(l->lane[lane].last, sizeof l->lane[lane].last, "%s", t->request.owner);
}

struct submit_transfers *submit_lanes_leave(struct submit_lanes *l, int lane)
{
    struct submit_transfers *owner = l->owner;
    l->lane[lane].busy = false;
    submit_lanes_unref(l);
    return owner;
}

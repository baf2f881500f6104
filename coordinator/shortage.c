#include "coordinator/shortage.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/farm_state.h"
#include "coordinator/worker_core.h"

#define SHORTAGE_NS (60 * NS_PER_S)
#define MORE_SHARE 8 /* more by an eighth is clearly more */

static struct shortage *find(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->shortage_count; i++)
        if (w->shortages[i].lane == lane) return &w->shortages[i];
    return NULL;
}

void shortage_note(struct worker *w, const struct lane *lane, int64_t now_ns)
{
    struct shortage *s = find(w, lane);
    if (s == NULL) {
        w->shortages = xrealloc_array(w->shortages, w->shortage_count + 1, sizeof(w->shortages[0]));
        s = &w->shortages[w->shortage_count++];
    }
    *s = (struct shortage){.lane = lane, .until_ns = now_ns + SHORTAGE_NS};
}

bool shortage_holds(const struct worker *w, const struct lane *lane)
{
    return find(w, lane) != NULL;
}

/* The first heartbeat after the refusal tells how much there was. */
static bool is_over(struct shortage *s, uint64_t free_bytes, int64_t now_ns)
{
    if (!s->told) {
        s->told = true;
        s->free_bytes = free_bytes;
    }
    return now_ns >= s->until_ns || free_bytes > s->free_bytes + s->free_bytes / MORE_SHARE;
}

void shortage_hear(struct farm *f, struct worker *w, uint64_t free_bytes, int64_t now_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->shortage_count; i++) {
        if (is_over(&w->shortages[i], free_bytes, now_ns))
            f->dispatch_wanted = true;
        else
            w->shortages[kept++] = w->shortages[i];
    }
    w->shortage_count = kept;
}

void shortage_forget(struct worker *w)
{
    w->shortage_count = 0;
}

void shortage_finish(struct worker *w)
{
    free(w->shortages);
}

#include "coordinator/shortage.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "coordinator/farm_state.h"
#include "coordinator/refusal.h"
#include "coordinator/worker_core.h"

#define MORE_SHARE 8 /* more by an eighth is clearly more */

static struct shortage *find(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->shortage_count; i++)
        if (w->shortages[i].lane == lane) return &w->shortages[i];
    return NULL;
}

static struct shortage *find_or_add(struct worker *w, const struct lane *lane)
{
    struct shortage *s = find(w, lane);
    if (s != NULL) return s;
    w->shortages = xrealloc_array(w->shortages, w->shortage_count + 1, sizeof(w->shortages[0]));
    s = &w->shortages[w->shortage_count++];
    *s = (struct shortage){.lane = lane};
    return s;
}

void shortage_note(struct worker *w, const struct lane *lane, int64_t now_ns)
{
    struct shortage *s = find_or_add(w, lane);
    s->times++;
    s->holds = true;
    s->told = false;
    s->until_ns = now_ns + refusal_length_ns(s->times);
}

bool shortage_holds(const struct worker *w, const struct lane *lane)
{
    const struct shortage *s = find(w, lane);
    return s != NULL && s->holds;
}

uint32_t shortage_count(const struct worker *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->shortage_count; i++)
        count += w->shortages[i].holds;
    return count;
}

/* The first heartbeat after the refusal tells how much there was. */
static bool has_more(struct shortage *s, uint64_t free_bytes)
{
    if (!s->told) {
        s->told = true;
        s->free_bytes = free_bytes;
    }
    return free_bytes > s->free_bytes + s->free_bytes / MORE_SHARE;
}

void shortage_hear(struct farm *f, struct worker *w, uint64_t free_bytes, int64_t now_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < w->shortage_count; i++) {
        struct shortage s = w->shortages[i];
        const bool more = has_more(&s, free_bytes), over = more || now_ns >= s.until_ns;
        if (s.holds && over) f->dispatch_wanted = true;
        s.holds = !over;
        if (!more) w->shortages[kept++] = s;
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

#include "coordinator/refusal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/farm_state.h"
#include "coordinator/worker_core.h"

#define FIRST_NS (60 * NS_PER_S)
#define LONGEST_NS (3600 * NS_PER_S)

int64_t refusal_length_ns(uint32_t times)
{
    int64_t length = FIRST_NS;
    for (uint32_t i = 1; i < times && length < LONGEST_NS; i++)
        length *= 2;
    return length < LONGEST_NS ? length : LONGEST_NS;
}

static bool is_of(const struct refusal *r, const struct lane *lane)
{
    if (r->lane != NULL) return r->lane == lane;
    return digest_equal(&r->model, &lane->model) && digest_equal(&r->loras, &lane->loras);
}

bool refusal_holds(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->refusal_count; i++)
        if (w->refusals[i].holds && is_of(&w->refusals[i], lane)) return true;
    return false;
}

uint32_t refusal_count(const struct worker *w)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->refusal_count; i++)
        count += w->refusals[i].holds;
    return count;
}

/* Who can do what is another question now. */
static void ask_again(struct farm *f)
{
    f->settle_wanted = true;
    f->dispatch_wanted = true;
    f->pins_wanted = true;
}

static struct refusal *add(struct worker *w, const struct lane *lane, bool whole_model)
{
    w->refusals = xrealloc_array(w->refusals, w->refusal_count + 1, sizeof(w->refusals[0]));
    struct refusal *r = &w->refusals[w->refusal_count++];
    *r = (struct refusal){.model = lane->model,
                          .loras = lane->loras,
                          .lane = whole_model ? NULL : lane,
                          .until_ns = INT64_MAX,
                          .holds = true};
    return r;
}

static struct refusal *find_or_add_of_model(struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->refusal_count; i++) {
        struct refusal *r = &w->refusals[i];
        if (r->lane == NULL && r->times > 0 && is_of(r, lane)) return r;
    }
    return add(w, lane, true);
}

/* What is long over says nothing about this trouble. */
void refusal_of_model(struct farm *f, struct worker *w, const struct lane *lane, int64_t now_ns)
{
    if (refusal_holds(w, lane)) return;
    struct refusal *r = find_or_add_of_model(w, lane);
    const bool is_new = r->times == 0 || now_ns - r->until_ns > LONGEST_NS;
    r->times = is_new ? 1 : r->times + 1;
    r->until_ns = now_ns + refusal_length_ns(r->times);
    r->holds = true;
    ask_again(f);
}

void refusal_of_memory(struct farm *f, struct worker *w, const struct lane *lane, bool whole_model)
{
    if (refusal_holds(w, lane)) return;
    (void)add(w, lane, whole_model);
    ask_again(f);
}

void refusal_hear(struct farm *f, struct worker *w, int64_t now_ns)
{
    for (uint32_t i = 0; i < w->refusal_count; i++) {
        struct refusal *r = &w->refusals[i];
        if (!r->holds || now_ns < r->until_ns) continue;
        r->holds = false;
        ask_again(f);
    }
}

void refusal_forget(struct worker *w)
{
    w->refusal_count = 0;
}

void refusal_finish(struct worker *w)
{
    free(w->refusals);
}

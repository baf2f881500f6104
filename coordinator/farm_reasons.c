/* Why clips of a batch wait (S6). Looks at groups and at clips that were begun, never at all. */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/clip.h"
#include "coordinator/hazard.h"
#include "coordinator/pin.h"
#include "coordinator/proof.h"
#include "coordinator/reasons.h"
#include "coordinator/returns.h"
#include "coordinator/shortage.h"

enum why {
    WHY_NO_WORKER,
    WHY_REFUSED,
    WHY_MEMORY,
    WHY_CANARY_FAILED,
    WHY_DISK,
    WHY_CANARY,
    WHY_RETRY,
    WHY_PINNED,
    WHY_HAZARD,
    WHY_LACKS,
    WHY_BUSY,
    WHY_INPUTS,
    WHY_COUNT
};

_Static_assert(WHY_COUNT <= REASONS_MAX, "a batch may wait for every reason at once");

static const struct reason_info words[WHY_COUNT] = {
    [WHY_NO_WORKER] = {"no_worker", 0, "no worker is here that takes work; see zoe worker list"},
    [WHY_REFUSED] = {"model_refused", 0, "every worker here has refused this model"},
    [WHY_MEMORY] = {"memory", 0, "no slot here has the memory they take"},
    [WHY_CANARY_FAILED] = {"canary_failed", 0,
                           "the workers here could not render the model's canary; see zoe events"},
    [WHY_DISK] = {"worker_disk", 0, "the disks of the workers here have no room for them"},
    [WHY_CANARY] = {"canary", 0,
                    "workers show first, by a canary of this model, that they render it right"},
    [WHY_RETRY] = {"retry_wait", 0, "failed before and wait for their next try"},
    [WHY_PINNED] = {"pinned", 0,
                    "began on other hardware, and no worker like that is here; they start over "
                    "after 10 min"},
    [WHY_HAZARD] = {"hazard", 0,
                    "were lost three times at once, and wait for a worker with nothing else to "
                    "lose"},
    [WHY_LACKS] = {"retry_wait", 0,
                   "few are tried, for what those before them begin with is lost; see zoe explain "
                   "of one that was tried"},
    [WHY_BUSY] = {"busy", 0, "all slots are busy"},
    [WHY_INPUTS] = {"inputs", 0, "are being rendered; what is left waits for the segment before"},
};

static bool has_yet_to_show(const struct worker *w, const struct lane *lane)
{
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (!proof_is_owed(&w->slots[i], lane)) return false;
    }
    return true;
}

/* Of one that takes work, or would if its disk had room. */
static enum why why_not(const struct worker *w, const struct lane *lane)
{
    if (worker_can(w, lane) && (w->disk_low || shortage_holds(w, lane))) return WHY_DISK;
    if (worker_can(w, lane)) return has_yet_to_show(w, lane) ? WHY_CANARY : WHY_BUSY;
    if (worker_could(w, lane)) return WHY_CANARY_FAILED;
    return worker_has_room(w, lane) ? WHY_REFUSED : WHY_MEMORY;
}

/* WHY_BUSY: somebody could. */
static enum why who_can(const struct farm *f, const struct lane *lane)
{
    enum why best = WHY_NO_WORKER;
    for (size_t i = 0; i < f->workers.count && best != WHY_BUSY; i++) {
        if (!worker_accepts_but_for_disk(f->crew[i])) continue;
        enum why why = why_not(f->crew[i], lane);
        if (why > best) best = why;
    }
    return best;
}

static uint64_t largest_slot(const struct farm *f)
{
    uint64_t largest = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *w = f->crew[i];
        for (uint32_t s = 0; s < w->slot_count && worker_accepts_but_for_disk(w); s++)
            if (w->slots[s].memory_bytes > largest) largest = w->slots[s].memory_bytes;
    }
    return largest;
}

static struct reason_info reason_of(const struct farm *f, enum why why, const struct lane *lane)
{
    struct reason_info r = words[why];
    char needed[32], largest[32];
    if (why != WHY_MEMORY) return r;
    text_size(lane->memory_bytes, needed, sizeof(needed));
    text_size(largest_slot(f), largest, sizeof(largest));
    (void)snprintf(r.message, sizeof(r.message),
                   "a task takes about %s of memory, the largest slot here has %s", needed,
                   largest);
    return r;
}

bool farm_lacks_memory(const struct farm *f, const char *batch, uint64_t *needed_out,
                       uint64_t *largest_out)
{
    const struct batch *b = batch_find(f, batch);
    *needed_out = 0;
    for (uint32_t i = 0; b != NULL && i < b->group_count; i++) {
        const struct group *g = &b->groups[i];
        for (uint32_t k = 0; k < g->stages; k++) {
            const struct lane *lane = g->stands[k].lane;
            bool lacks = lane->memory_bytes > *needed_out && who_can(f, lane) == WHY_MEMORY;
            if (lacks) *needed_out = lane->memory_bytes;
        }
    }
    *largest_out = largest_slot(f);
    return *needed_out > 0;
}

static bool somebody_fits(const struct farm *f, const struct work *w)
{
    const char *pin = pin_of(w);
    return pin == NULL ? f->roster.slots > 0 : roster_slots_of(f, pin) > 0;
}

static bool is_ready(const struct task *t)
{
    return !chain_is_empty(&t->in_stand);
}

static bool is_hazard(const struct task *t)
{
    return is_ready(t) && hazard_is_alone(t);
}

static bool has_some(const struct work *w, bool (*is)(const struct task *))
{
    CHAIN_EACH(link, &w->tasks)
    {
        if (is(CHAIN_OWNER(link, struct task, of_work))) return true;
    }
    return false;
}

/* Of a clip of which nothing runs. */
static enum why why_waits(const struct farm *f, const struct work *w, enum why group)
{
    if (group != WHY_BUSY) return group;
    if (!has_some(w, is_ready)) return WHY_RETRY;
    if (has_some(w, is_hazard)) return WHY_HAZARD;
    return somebody_fits(f, w) ? WHY_BUSY : WHY_PINNED;
}

/* Of clips that were never tried. */
static enum why why_fresh(const struct batch *b, enum why group)
{
    return group == WHY_BUSY && b->misses >= RETURNS_MISSES ? WHY_LACKS : group;
}

struct reason_info reason_of_fresh(const struct farm *f, const struct group *g)
{
    const struct lane *lane = g->stands[0].lane;
    return reason_of(f, why_fresh(g->batch, who_can(f, lane)), lane);
}

struct reason_info reason_of_work(const struct farm *f, const struct work *w)
{
    const struct lane *lane = w->group->stands[0].lane;
    return reason_of(f, why_waits(f, w, who_can(f, lane)), lane);
}

bool reason_of_batch(const struct farm *f, const struct batch *b, struct reason_info *out)
{
    static const struct reason_info paused = {"paused", 0,
                                              "the batch is paused; see zoe batch resume"};
    static const struct reason_info disk_low = {"disk_low", 0,
                                                "the coordinator's disk is nearly full"};
    if (b->paused)
        *out = paused;
    else if (f->disk_low)
        *out = disk_low;
    return b->paused || f->disk_low;
}

static void count_begun(const struct farm *f, const struct batch *b, const enum why *groups,
                        uint64_t clips[WHY_COUNT])
{
    const struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;) {
        enum clip_state state = clip_state(b, w->clip);
        if (state == CLIP_RETRY) clips[why_waits(f, w, groups[w->group - b->groups])]++;
        if (state == CLIP_LEASED && w->group->tasks > 1 && !has_some(w, is_ready))
            clips[WHY_INPUTS]++;
    }
}

/* The lane that lacks memory the most, or any. */
static const struct lane *count_all(const struct farm *f, const struct batch *b,
                                    uint64_t clips[WHY_COUNT])
{
    const struct lane *largest = b->groups[0].stands[0].lane;
    enum why *groups = xcalloc(b->group_count, sizeof(*groups));
    for (uint32_t i = 0; i < b->group_count; i++) {
        const struct lane *lane = b->groups[i].stands[0].lane;
        groups[i] = who_can(f, lane);
        if (lane->memory_bytes > largest->memory_bytes) largest = lane;
        clips[why_fresh(b, groups[i])] += b->groups[i].counts.by_state[CLIP_WAITING];
    }
    count_begun(f, b, groups, clips);
    free(groups);
    return largest;
}

uint32_t farm_batch_reasons(const struct farm *f, const char *batch, int64_t now_ns,
                            struct reason_info out[REASONS_MAX])
{
    (void)now_ns;
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || batch_state_is_terminal(b->state)) return 0;
    uint64_t waiting = b->counts.by_state[CLIP_WAITING] + b->counts.by_state[CLIP_RETRY];
    if (reason_of_batch(f, b, out)) {
        out->count = waiting;
        return waiting > 0;
    }
    uint64_t clips[WHY_COUNT] = {0};
    uint32_t count = 0;
    const struct lane *largest = count_all(f, b, clips);
    for (int why = 0; why < WHY_COUNT; why++) {
        if (clips[why] == 0) continue;
        out[count] = reason_of(f, (enum why)why, largest);
        out[count++].count = clips[why];
    }
    return count;
}

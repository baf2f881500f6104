/* Why clips of a batch wait (S6). Looks at groups and at clips that were begun, never at all. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "coordinator/clip.h"
#include "coordinator/pin.h"

enum why { WHY_NO_WORKER, WHY_REFUSED, WHY_RETRY, WHY_PINNED, WHY_BUSY, WHY_INPUTS, WHY_COUNT };

static const struct reason_info words[WHY_COUNT] = {
    [WHY_NO_WORKER] = {"no_worker", 0, "no worker is here that takes work; see zoe worker list"},
    [WHY_REFUSED] = {"model_refused", 0, "every worker here has refused this model"},
    [WHY_RETRY] = {"retry_wait", 0, "failed before and wait for their next try"},
    [WHY_PINNED] = {"pinned", 0,
                    "began on other hardware, and no worker like that is here; they start over "
                    "after 10 min"},
    [WHY_BUSY] = {"busy", 0, "all slots are busy"},
    [WHY_INPUTS] = {"inputs", 0, "are being rendered; what is left waits for the segment before"},
};

/* WHY_BUSY: somebody could. */
static enum why who_can(const struct farm *f, const struct lane *lane)
{
    enum why best = WHY_NO_WORKER;
    for (size_t i = 0; i < f->workers.count; i++) {
        if (!worker_accepts(f->crew[i])) continue;
        if (worker_can(f->crew[i], lane)) return WHY_BUSY;
        best = WHY_REFUSED;
    }
    return best;
}

static bool somebody_fits(const struct farm *f, const struct work *w)
{
    for (size_t i = 0; i < f->workers.count; i++) {
        if (worker_accepts(f->crew[i]) && pin_fits(w, f->crew[i])) return true;
    }
    return false;
}

static bool has_ready(const struct work *w)
{
    CHAIN_EACH(link, &w->tasks)
    {
        if (!chain_is_empty(&CHAIN_OWNER(link, struct task, of_work)->in_stand)) return true;
    }
    return false;
}

/* Of a clip of which nothing runs. */
static enum why why_waits(const struct farm *f, const struct work *w, enum why group)
{
    if (group != WHY_BUSY) return group;
    if (!has_ready(w)) return WHY_RETRY;
    return somebody_fits(f, w) ? WHY_BUSY : WHY_PINNED;
}

static void count_begun(const struct farm *f, const struct batch *b, const enum why *groups,
                        uint64_t clips[WHY_COUNT])
{
    const struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;) {
        enum clip_state state = clip_state(b, w->clip);
        if (state == CLIP_RETRY) clips[why_waits(f, w, groups[w->group - b->groups])]++;
        if (state == CLIP_LEASED && w->group->tasks > 1 && !has_ready(w)) clips[WHY_INPUTS]++;
    }
}

static void count_all(const struct farm *f, const struct batch *b, uint64_t clips[WHY_COUNT])
{
    enum why *groups = xcalloc(b->group_count, sizeof(*groups));
    for (uint32_t i = 0; i < b->group_count; i++) {
        groups[i] = who_can(f, b->groups[i].stands[0].lane);
        clips[groups[i]] += b->groups[i].counts.by_state[CLIP_WAITING];
    }
    count_begun(f, b, groups, clips);
    free(groups);
}

static uint32_t only(struct reason_info *out, const char *code, uint64_t clips, const char *message)
{
    if (clips > 0) *out = (struct reason_info){code, clips, message};
    return clips > 0;
}

uint32_t farm_batch_reasons(const struct farm *f, const char *batch, int64_t now_ns,
                            struct reason_info out[REASONS_MAX])
{
    (void)now_ns;
    const struct batch *b = batch_find(f, batch);
    if (b == NULL || batch_state_is_terminal(b->state)) return 0;
    uint64_t waiting = b->counts.by_state[CLIP_WAITING] + b->counts.by_state[CLIP_RETRY];
    if (b->paused) return only(out, "paused", waiting, "the batch is paused; see zoe batch resume");
    if (f->disk_low) return only(out, "disk_low", waiting, "the coordinator's disk is nearly full");
    uint64_t clips[WHY_COUNT] = {0};
    uint32_t count = 0;
    count_all(f, b, clips);
    for (int why = 0; why < WHY_COUNT; why++) {
        if (clips[why] == 0) continue;
        out[count] = words[why];
        out[count++].count = clips[why];
    }
    return count;
}

#include "coordinator/condemn.h"

#include <stdio.h>

#include "coordinator/clip.h"
#include "coordinator/standing.h"
#include "coordinator/work.h"

#define BY_THE_FARM "the farm" /* no canary leads out of it: this worker renders those right */

/* ---- what it stored ---- */

static struct task *part_of(const struct work *w, const struct worker *maker)
{
    CHAIN_EACH(link, &w->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (t->state == TASK_DONE && t->winner == maker) return t;
    }
    return NULL;
}

/* Other parts of the clip may go on from the wrong one, or be about to: all of it begins anew. */
static void begin_anew(struct farm *f, struct work *w, int64_t now_ns)
{
    if (w->batch->state == BATCH_CANCELED) {
        work_cancel(f, w, now_ns);
        return;
    }
    deadline_clear(&f->timers, &w->again);
    CHAIN_EACH(link, &w->live)
    attempt_dismiss(f, CHAIN_OWNER(link, struct attempt, of_work), END_HANDED_BACK, DROP_FENCED,
                    "what it goes on from may be wrong", now_ns);
    work_start_over(f, w);
    f->dispatch_wanted = true;
}

static bool take_back(struct farm *f, struct work *w, const struct worker *maker, int64_t now_ns)
{
    char why[LIMIT_NAME_BYTES + 96];
    struct task *t = part_of(w, maker);
    if (t == NULL || clip_state(w->batch, w->clip) > CLIP_STITCHING) return false;
    (void)snprintf(why, sizeof(why), "%s made it, which renders wrong frames", maker->name);
    farm_event(f, "clip.disowned", w->batch->id, w->clip, maker->name, why);
    if (w->group->tasks == 1)
        work_reopen(f, t, why, now_ns);
    else
        begin_anew(f, w, now_ns);
    return true;
}

uint32_t condemn_results(struct farm *f, const struct worker *w, int64_t now_ns)
{
    uint32_t count = 0;
    for (size_t i = 0; i < f->batches.count; i++) {
        struct work *work = NULL; /* one that is canceled goes: that is allowed meanwhile */
        for (size_t k = 0; (work = table_next(&f->order[i]->works, &k, NULL, NULL)) != NULL;)
            count += take_back(f, work, w, now_ns);
    }
    return count;
}

/* ---- the worker ---- */

/* Everybody who may see workers reads the reason: which clip it was is in the event. */
static void condemn(struct farm *f, struct worker *w, const struct task_key *of,
                    const struct worker *winner, int64_t now_ns)
{
    char why[LIMIT_NAME_BYTES + 160];
    (void)snprintf(why, sizeof(why),
                   "its frames of a clip are not those of %s and another worker, "
                   "which agree",
                   winner->name);
    farm_event(f, "worker.disproved", of->batch, of->clip, w->name, why);
    if (!w->standing.held) standing_quarantine(f, w, why, BY_THE_FARM, 0, now_ns);
    (void)condemn_results(f, w, now_ns);
}

void condemn_losers(struct farm *f, const struct opinion_losers *losers, const struct task_key *of,
                    const struct worker *winner, int64_t now_ns)
{
    for (uint32_t i = 0; i < losers->count; i++) {
        const struct opinion_loser *each = &losers->items[i];
        if (each->disproved)
            condemn(f, each->worker, of, winner, now_ns);
        else
            (void)condemn_results(f, each->worker, now_ns);
    }
}

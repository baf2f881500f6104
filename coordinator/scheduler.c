#include "coordinator/scheduler.h"

#include "base/clock.h"
#include "coordinator/canary.h"
#include "coordinator/clip.h"
#include "coordinator/pin.h"
#include "coordinator/retry.h"

/* ---- pick ---- */

/* S3: somebody else has what the task goes on from, and is there. Who has some of it may take it as
 * well: of windows that meet each worker has a part. */
static bool waits_for_other(const struct task *t, const struct worker *w)
{
    const struct worker *has = t->preferred;
    return has != NULL && has != w && worker_accepts(has) && worker_can(has, t->lane) &&
           pin_fits(t->work, has) && !retry_is_blamed(t, has) && !work_has_input_of(t, w);
}

static bool may_have(const struct farm *f, const struct task *t, const struct worker *w,
                     uint32_t slot)
{
    return pin_takes(t->work, w->slots[slot].fingerprint) && !waits_for_other(t, w) &&
           retry_may_run(f, t, w);
}

/* Open tasks first: they are the oldest of their group. Fresh clips stand in the first stage. */
static bool pick_in_stand(const struct farm *f, struct stand *s, const struct worker *w,
                          uint32_t slot, struct pick *out)
{
    CHAIN_EACH(link, &s->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, in_stand);
        if (!may_have(f, t, w, slot)) continue;
        *out = (struct pick){s, t, t->clip};
        return true;
    }
    bool first = s == &s->group->stands[0];
    uint32_t clip = first ? clip_next_waiting(s->group) : CLIP_NONE;
    *out = (struct pick){s, NULL, clip};
    return clip != CLIP_NONE;
}

static bool is_before(const struct pick *a, const struct pick *b)
{
    if (b->stand == NULL) return true;
    int64_t x = a->stand->ready.deadline_ns, y = b->stand->ready.deadline_ns;
    if (x != y) return x < y;
    if ((a->task != NULL) != (b->task != NULL)) return a->task != NULL;
    return a->clip < b->clip;
}

/* The first stand nearly always has something; only when all it has is not for this slot are the
 * others looked through. */
static bool pick_in_lane(const struct farm *f, struct lane *lane, const struct worker *w,
                         uint32_t slot, struct pick *out)
{
    if (pick_in_stand(f, heap_first(&lane->ready)->owner, w, slot, out)) return true;
    struct pick best = {0};
    for (size_t i = 0; i < lane->ready.count; i++) {
        if (pick_in_stand(f, lane->ready.nodes[i]->owner, w, slot, out) && is_before(out, &best))
            best = *out;
    }
    *out = best;
    return best.stand != NULL;
}

struct pick scheduler_pick(struct farm *f, const struct worker *w, uint32_t slot)
{
    struct pick best = {0}, candidate;
    CHAIN_EACH(link, &f->ready)
    {
        struct lane *lane = CHAIN_OWNER(link, struct lane, in_ready);
        if (!worker_can(w, lane) || !pick_in_lane(f, lane, w, slot, &candidate)) continue;
        if (is_before(&candidate, &best)) best = candidate;
    }
    return best;
}

/* ---- give ---- */

static bool has_room(const struct slot *s, bool prefetch)
{
    return prefetch ? s->running != NULL && s->next == NULL : worker_slot_is_free(s);
}

static struct task *begin_clip(struct farm *f, const struct pick *pick)
{
    struct work *w = work_of(pick->stand->group->batch, pick->clip);
    work_begin(f, w);
    return CHAIN_OWNER(w->tasks.next, struct task, of_work);
}

static bool give(struct farm *f, struct worker *w, uint32_t slot, bool prefetch, int64_t now_ns)
{
    struct pick pick = scheduler_pick(f, w, slot);
    if (pick.stand == NULL) return false;
    struct task *t = pick.task != NULL ? pick.task : begin_clip(f, &pick);
    attempt_begin(f, t, w, slot, prefetch, now_ns);
    return true;
}

static void fill_worker(struct farm *f, struct worker *w, bool prefetch, int64_t now_ns)
{
    if (!worker_accepts(w)) return;
    for (uint32_t s = 0; s < w->slot_count; s++) {
        if (has_room(&w->slots[s], prefetch)) (void)give(f, w, s, prefetch, now_ns);
    }
}

static void fill(struct farm *f, bool prefetch, int64_t now_ns)
{
    for (size_t i = 0; i < f->workers.count && !chain_is_empty(&f->ready); i++) {
        fill_worker(f, f->crew[i], prefetch, now_ns);
        worker_settle(f, f->crew[i], NULL, NULL);
    }
}

/* ---- recall (W4) ---- */

#define NEARLY_OVER_NS NS_PER_S

static int64_t time_left(const struct attempt *a)
{
    const struct pace *pace = worker_known_pace(a->worker, a->task->lane);
    int64_t step_ns = pace != NULL ? pace_median(pace) : 0;
    if (step_ns == 0) return INT64_MAX;
    return a->step < a->steps ? (int64_t)(a->steps - a->step) * step_ns : 0;
}

/* What waits in `s` and could run on `w` at once; NULL when it is about to begin anyway. */
static struct attempt *recallable(const struct farm *f, const struct slot *s,
                                  const struct worker *w, uint32_t slot)
{
    struct attempt *next = s->next;
    if (next == NULL || next->recalled || s->running == NULL) return NULL;
    if (next->worker->presence != WORKER_PRESENT) return NULL;
    if (!batch_is_open(next->task->batch)) return NULL;
    if (!worker_can(w, next->task->lane) || !may_have(f, next->task, w, slot)) return NULL;
    return time_left(s->running) > NEARLY_OVER_NS ? next : NULL;
}

static struct attempt *behind_the_longest(const struct farm *f, const struct worker *w,
                                          uint32_t slot)
{
    struct attempt *best = NULL;
    int64_t longest = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *other = f->crew[i];
        for (uint32_t s = 0; s < other->slot_count; s++) {
            struct attempt *a = recallable(f, &other->slots[s], w, slot);
            if (a == NULL || time_left(other->slots[s].running) <= longest) continue;
            longest = time_left(other->slots[s].running);
            best = a;
        }
    }
    return best;
}

static uint32_t recalls_out(const struct farm *f)
{
    uint32_t count = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *w = f->crew[i];
        for (uint32_t s = 0; s < w->slot_count; s++)
            count += w->slots[s].next != NULL && w->slots[s].next->recalled;
    }
    return count;
}

static void recall(struct farm *f, struct attempt *a)
{
    a->recalled = true;
    worker_message(f, a->worker, EFFECT_RECALL)->attempt = attempt_key(a);
}

/* One for each idle slot that found nothing, less those that are on their way already. */
static void recall_for_idle(struct farm *f)
{
    uint32_t coming = recalls_out(f);
    for (size_t i = 0; i < f->workers.count; i++) {
        struct worker *w = f->crew[i];
        for (uint32_t s = 0; s < w->slot_count && worker_accepts(w); s++) {
            if (!worker_slot_is_free(&w->slots[s])) continue;
            if (coming > 0) {
                coming--;
                continue;
            }
            struct attempt *a = behind_the_longest(f, w, s);
            if (a != NULL) recall(f, a);
        }
    }
}

void scheduler_dispatch(struct farm *f, int64_t now_ns)
{
    if (!f->dispatch_wanted) return;
    for (size_t i = 0; i < f->workers.count; i++)
        canary_assign(f, f->crew[i], now_ns);
    if (f->disk_low) return;
    fill(f, false, now_ns);
    fill(f, true, now_ns);
    recall_for_idle(f);
    f->dispatch_wanted = false;
}

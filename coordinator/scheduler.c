#include "coordinator/scheduler.h"

#include "base/clock.h"
#include "coordinator/canary.h"
#include "coordinator/clip.h"
#include "coordinator/hazard.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/proof.h"
#include "coordinator/retry.h"
#include "coordinator/returns.h"
#include "coordinator/shortage.h"
#include "coordinator/straggler.h"

/* ---- pick ---- */

/* S3: somebody else has what the task goes on from, and is there. Who has some of it may take it as
 * well: of windows that meet each worker has a part. */
static bool waits_for_other(const struct task *t, const struct worker *w)
{
    const struct worker *has = t->preferred;
    return has != NULL && has != w && t->opinion == NULL && worker_accepts(has) &&
           worker_can(has, t->lane) && !shortage_holds(has, t->lane) && pin_fits(t->work, has) &&
           !retry_is_blamed(t, has) && !work_has_input_of(t, w);
}

static bool may_have(const struct farm *f, const struct task *t, const struct worker *w,
                     uint32_t slot)
{
    const char *fingerprint = w->slots[slot].fingerprint;
    return w->guest == NULL && !hazard_is_alone(t) && pin_takes(t->work, fingerprint) &&
           !waits_for_other(t, w) && retry_may_run(f, t, w) &&
           opinion_may_run(f, t, w, fingerprint);
}

/* Open tasks first: they are the oldest of their group. Fresh clips stand in the first stage. */
static bool pick_in_stand(const struct farm *f, struct stand *s, const struct worker *w,
                          uint32_t slot, struct pick *out)
{
    CHAIN_EACH(link, &s->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, in_stand);
        if (!may_have(f, t, w, slot)) continue;
        *out = (struct pick){.stand = s, .task = t, .clip = t->clip};
        return true;
    }
    uint32_t clip = batch_gives_fresh(s) ? clip_next_waiting(s->group) : CLIP_NONE;
    *out = (struct pick){.stand = s, .clip = clip};
    return clip != CLIP_NONE;
}

/* S2 but for what is warm. */
static bool is_before(const struct pick *a, const struct pick *b)
{
    if (b->stand == NULL || a->stand == NULL) return a->stand != NULL;
    const struct batch *x = a->stand->group->batch, *y = b->stand->group->batch;
    if (x->priority != y->priority) return x->priority > y->priority;
    if (x->of_owner != y->of_owner) return x->of_owner->key < y->of_owner->key;
    if (x != y) return x->key != y->key ? x->key < y->key : x->sequence < y->sequence;
    if ((a->task != NULL) != (b->task != NULL)) return a->task != NULL;
    return a->clip < b->clip;
}

static void search_shelf(const struct farm *f, const struct shelf *shelf, const struct worker *w,
                         uint32_t slot, struct pick *best)
{
    struct pick candidate;
    for (size_t i = 0; i < shelf->stands.count; i++) {
        bool has = pick_in_stand(f, shelf->stands.nodes[i]->owner, w, slot, &candidate);
        if (has && is_before(&candidate, best)) *best = candidate;
    }
}

/* The first stand nearly always has something; only when all it has is not for this slot are the
 * others looked through. */
static bool pick_in_lane(const struct farm *f, struct lane *lane, const struct worker *w,
                         uint32_t slot, struct pick *out)
{
    if (pick_in_stand(f, lane_first(lane), w, slot, out)) return true;
    *out = (struct pick){0};
    CHAIN_EACH(link, &lane->tiers)
    {
        const struct tier *tier = CHAIN_OWNER(link, struct tier, in_lane);
        for (size_t i = 0; i < tier->shelves.count; i++)
            search_shelf(f, tier->shelves.nodes[i]->owner, w, slot, out);
        if (out->stand != NULL) return true;
    }
    return false;
}

/* ---- what is warm (S2) ---- */

#define STARVED_NS (60 * NS_PER_S)

/* How long `first` is behind `other` with what it had of the farm: so long all of it would have to
 * work for `first` to make up for it. */
static int64_t behind_ns(const struct farm *f, const struct batch *first, const struct batch *other,
                         int64_t now_ns)
{
    const struct owner *x = first->of_owner, *y = other->of_owner;
    double more =
        x != y ? usage_now(&y->usage, now_ns) / y->share - usage_now(&x->usage, now_ns) / x->share
               : usage_now(&other->usage, now_ns) - usage_now(&first->usage, now_ns);
    double slots = f->roster.slots > 0 ? f->roster.slots : 1;
    return (int64_t)(more / slots * (double)NS_PER_S);
}

static bool may_pass(const struct farm *f, const struct pick *warm, const struct pick *first,
                     int64_t now_ns)
{
    if (warm->stand == NULL || warm->stand == first->stand) return false;
    const struct batch *a = first->stand->group->batch, *b = warm->stand->group->batch;
    if (a->priority != b->priority) return false;
    if (a->passed_ns != 0 && now_ns - a->passed_ns > STARVED_NS) return false;
    return behind_ns(f, a, b, now_ns) <= STARVED_NS;
}

struct pick scheduler_pick(struct farm *f, const struct worker *w, uint32_t slot, int64_t now_ns)
{
    struct pick best = {0}, warm = {0}, candidate;
    const struct lane *at = w->slots[slot].warm;
    if (w->guest != NULL) return hazard_pick(f, w, slot);
    CHAIN_EACH(link, &f->ready)
    {
        struct lane *lane = CHAIN_OWNER(link, struct lane, in_ready);
        if (!slot_can(w, slot, lane) || !pick_in_lane(f, lane, w, slot, &candidate)) continue;
        if (is_before(&candidate, &best)) best = candidate;
        bool is_warm = at != NULL && lane_is_alike(at, lane);
        if (is_warm && is_before(&candidate, &warm)) warm = candidate;
    }
    if (!may_pass(f, &warm, &best, now_ns)) return best;
    warm.passed = best.stand->group->batch;
    return warm;
}

/* ---- give ---- */

static struct task *begin_clip(struct farm *f, const struct pick *pick, int64_t now_ns)
{
    struct work *w = work_of(pick->stand->group->batch, pick->clip);
    bool wanted = f->dispatch_wanted;
    work_begin(f, w);
    returns_note_fresh(f, w->batch, now_ns);
    if (w->group->tasks == 1) f->dispatch_wanted = wanted; /* nobody else could take it */
    return CHAIN_OWNER(w->tasks.next, struct task, of_work);
}

static void note_passing(const struct pick *pick, int64_t now_ns)
{
    pick->stand->group->batch->passed_ns = 0;
    if (pick->passed != NULL && pick->passed->passed_ns == 0) pick->passed->passed_ns = now_ns;
}

static bool give(struct farm *f, struct slot *s, bool prefetch, int64_t now_ns)
{
    struct worker *w = s->worker;
    struct pick pick = scheduler_pick(f, w, s->index, now_ns);
    if (pick.stand == NULL) return false;
    if (proof_is_owed(s, pick.stand->lane)) {
        canary_first(f, s, pick.stand->lane, now_ns);
        return true;
    }
    note_passing(&pick, now_ns);
    struct task *t = pick.task != NULL ? pick.task : begin_clip(f, &pick, now_ns);
    attempt_begin(f, t, w, s->index, prefetch, now_ns);
    worker_settle(f, w, NULL, NULL);
    roster_place(f, s);
    return true;
}

static void fill(struct farm *f, struct places *places, bool prefetch, int64_t now_ns)
{
    while (!chain_is_empty(&places->fresh) && !chain_is_empty(&f->ready)) {
        struct slot *s = CHAIN_OWNER(places->fresh.next, struct slot, in_places);
        chain_remove(&s->in_places);
        chain_append(&places->failed, &s->in_places);
        (void)give(f, s, prefetch, now_ns);
    }
    chain_splice(&places->failed, &places->fresh);
}

static void retry_places(struct places *places)
{
    chain_splice(&places->failed, &places->fresh); /* the older ones first */
    chain_splice(&places->fresh, &places->failed);
}

/* Work that begins may bring more that slots without any could take. */
static void fill_all(struct farm *f, int64_t now_ns)
{
    do {
        hazard_settle(f);
        if (f->dispatch_wanted) {
            retry_places(&f->roster.idle);
            retry_places(&f->roster.hungry);
        }
        f->dispatch_wanted = false;
        fill(f, &f->roster.idle, false, now_ns);
        fill(f, &f->roster.hungry, true, now_ns);
    } while (f->dispatch_wanted && !chain_is_empty(&f->ready));
    f->dispatch_wanted = false;
}

/* ---- recall (W4) ---- */

#define NEARLY_OVER_NS NS_PER_S
#define RECALL_LOOKS 16 /* slots looked at, of those that end last */
#define RECALL_MISSES 8 /* idle slots that may find nothing before the others are not asked */

/* What waits in `s` and could run on `w` at once; NULL when it is about to begin anyway. */
static struct attempt *recallable(const struct farm *f, const struct slot *s,
                                  const struct worker *w, uint32_t slot, int64_t now_ns)
{
    struct attempt *next = s->next;
    if (!batch_is_open(next->task->batch)) return NULL;
    if (!slot_can(w, slot, next->task->lane) || !may_have(f, next->task, w, slot)) return NULL;
    int64_t end_ns = attempt_expected_end(s->running);
    return end_ns == INT64_MAX || end_ns - now_ns > NEARLY_OVER_NS ? next : NULL;
}

/* The first places of the heap: nearly those that end last. */
static struct attempt *behind_the_longest(const struct farm *f, const struct slot *idle,
                                          int64_t now_ns)
{
    const struct heap *h = &f->roster.recallable;
    const struct heap_node *best = NULL;
    struct attempt *found = NULL;
    for (size_t i = 0; i < h->count && i < RECALL_LOOKS; i++) {
        const struct heap_node *n = h->nodes[i];
        if (best != NULL && n->deadline_ns >= best->deadline_ns) continue;
        struct attempt *a = recallable(f, n->owner, idle->worker, idle->index, now_ns);
        if (a == NULL) continue;
        best = n;
        found = a;
    }
    return found;
}

/* Who has not shown yet that it renders this model does that first, and is looked at again. */
static void recall(struct farm *f, struct attempt *a, struct slot *idle, int64_t now_ns)
{
    if (proof_is_owed(idle, a->task->lane)) {
        canary_first(f, idle, a->task->lane, now_ns);
        return;
    }
    attempt_recall(f, a);
    roster_place(f, &a->worker->slots[a->slot]);
}

/* One for each idle slot that found nothing, less those that are on their way already. */
static void recall_for_idle(struct farm *f, int64_t now_ns)
{
    uint32_t coming = f->roster.recalls, misses = 0;
    CHAIN_EACH(link, &f->roster.idle.failed)
    {
        struct slot *s = CHAIN_OWNER(link, struct slot, in_places);
        if (f->roster.recallable.count == 0 || misses == RECALL_MISSES) return;
        if (coming > 0) {
            coming--;
            continue;
        }
        struct attempt *a = behind_the_longest(f, s, now_ns);
        if (a != NULL)
            recall(f, a, s, now_ns);
        else
            misses++;
    }
}

/* ---- a turn ---- */

static void assign_canaries(struct farm *f, int64_t now_ns)
{
    CHAIN_EACH(link, &f->roster.canaries)
    canary_assign(f, CHAIN_OWNER(link, struct worker, in_canaries), now_ns);
    roster_update(f);
}

void scheduler_dispatch(struct farm *f, int64_t now_ns)
{
    bool changed = f->dispatch_wanted || f->look_wanted || !chain_is_empty(&f->roster.touched);
    if (!changed && chain_is_empty(&f->hazards)) return;
    roster_update(f);
    assign_canaries(f, now_ns);
    if (f->disk_low) return;
    fill_all(f, now_ns);
    recall_for_idle(f, now_ns);
    straggler_copy(f, now_ns);
    roster_rest(f);
}

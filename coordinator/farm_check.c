/* The invariants of the lifecycle, recomputed from scratch (tests only). */
#include <string.h>

#include "coordinator/attempt.h"
#include "coordinator/canary.h"
#include "coordinator/clip.h"
#include "coordinator/hazard.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/retry.h"
#include "coordinator/returns.h"
#include "coordinator/scheduler.h"
#include "coordinator/standing.h"

static bool broken(struct error *err, const char *rule, const char *what, const char *subject)
{
    return error_set(err, ERROR_INTERNAL, "%s: %s (%s)", rule, what, subject);
}

/* ---- I3 ---- */

static void add(struct clip_counts *to, const struct clip_counts *from)
{
    for (int s = 0; s < CLIP_STATE_COUNT; s++)
        to->by_state[s] += from->by_state[s];
    to->suspect += from->suspect;
}

static bool same(const struct clip_counts *a, const struct clip_counts *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

static bool check_batch_counts(const struct batch *b, struct error *err)
{
    struct clip_counts seen = {0}, groups = {0};
    for (uint32_t clip = 0; clip < b->clips; clip++) {
        seen.by_state[clip_state(b, clip)]++;
        seen.suspect += (clip_byte(b, clip) & CLIP_SUSPECT_BIT) != 0;
    }
    for (uint32_t i = 0; i < b->group_count; i++)
        add(&groups, &b->groups[i].counts);
    if (!same(&groups, &b->counts)) return broken(err, "I3", "groups do not sum up", b->id);
    if (b->state == BATCH_DONE) seen.suspect = b->counts.suspect; /* its pages are not loaded */
    return same(&seen, &b->counts) || broken(err, "I3", "counters differ from clips", b->id);
}

static bool check_lacking(const struct batch *b, struct error *err)
{
    const struct task *t = NULL;
    uint32_t lacking = 0;
    for (size_t i = 0; (t = table_next(&b->tasks, &i, NULL, NULL)) != NULL;)
        lacking += returns_is_certain(t->lacks);
    return lacking == b->lacking || broken(err, "I3", "tasks that lack something", b->id);
}

static bool check_counts(const struct farm *f, struct error *err)
{
    struct clip_counts all = {0};
    uint64_t unfinished = 0;
    for (size_t i = 0; i < f->batches.count; i++) {
        const struct batch *b = f->order[i];
        if (!check_batch_counts(b, err) || !check_lacking(b, err)) return false;
        add(&all, &b->counts);
        unfinished += !batch_state_is_terminal(b->state);
    }
    if (unfinished != f->batches_unfinished) return broken(err, "I3", "unfinished batches", "farm");
    return same(&all, &f->counts) || broken(err, "I3", "batches do not sum up", "farm");
}

/* ---- I4, I5, I7 ---- */

static bool is_in_its_place(const struct attempt *a)
{
    const struct worker *w = a->worker;
    if (a->place == ATTEMPT_AWAY) return true;
    if (a->slot >= w->slot_count) return false;
    const struct slot *s = &w->slots[a->slot];
    return a->place == ATTEMPT_NEXT ? s->next == a : s->running == a;
}

static bool check_attempt(const struct attempt *a, struct error *err)
{
    const char *who = a->worker->name;
    if (a->fence > a->task->fence) return broken(err, "I7", "a fence above its counter", who);
    if (!is_in_its_place(a)) return broken(err, "I5", "an attempt is not where it says", who);
    if (a->place == ATTEMPT_NEXT && a->worker->session != 0 && !a->recalled &&
        !batch_is_open(a->task->batch))
        return broken(err, "B4", "work of a paused batch is left to begin", who);
    if (a->place == ATTEMPT_RUNNING && a->upload == NULL && !deadline_is_set(&a->lease))
        return broken(err, "I4", "a running attempt has no limit", who);
    return true;
}

/* ---- clips begun ---- */

static bool work_fits(const struct work *w)
{
    bool live = !chain_is_empty(&w->live), done = work_is_done(w);
    switch (clip_state(w->batch, w->clip)) {
    case CLIP_RETRY:
        return !live && !done;
    case CLIP_LEASED:
        return live && !done;
    case CLIP_STITCHING:
    case CLIP_PUBLISHING:
        return done;
    case CLIP_FAILED:
        return !live && w->done > 0;
    default:
        return false;
    }
}

/* S7: no attempt lives with another fingerprint than the clip's. */
static bool is_of_one_fingerprint(const struct work *w)
{
    const char *pin = pin_of(w);
    if (pin == NULL || pin[0] == '\0') return true;
    CHAIN_EACH(link, &w->live)
    {
        const struct attempt *a = CHAIN_OWNER(link, struct attempt, of_work);
        if (a->fingerprint != NULL && strcmp(a->fingerprint, pin) != 0) return false;
    }
    return true;
}

/* What waits can be picked as soon as its inputs are stored and its time has come, and not before.
 */
static bool stands_right(const struct work *w, const struct task *t)
{
    bool failed = clip_state(w->batch, w->clip) == CLIP_FAILED;
    bool ready = t->state == TASK_WAITING && !deadline_is_set(&t->again) && !failed &&
                 work_has_inputs(w, t->number);
    return ready == !chain_is_empty(&t->in_stand);
}

static bool check_task(const struct work *w, const struct task *t, struct error *err)
{
    bool live = !chain_is_empty(&t->live);
    if (t->state > TASK_DONE) return broken(err, "I3", "a task is over and open", t->batch->id);
    if (live != (t->state == TASK_LEASED))
        return broken(err, "I4", "leased without an attempt, or the other way", t->batch->id);
    if (!stands_right(w, t)) return broken(err, "I6", "a task is not where it waits", t->batch->id);
    CHAIN_EACH(link, &t->live)
    {
        if (!check_attempt(CHAIN_OWNER(link, struct attempt, of_task), err)) return false;
    }
    return true;
}

/* Every task whose inputs are stored has an object, or could never be picked. */
static bool has_all_objects(const struct work *w)
{
    if (clip_state(w->batch, w->clip) == CLIP_FAILED) return true;
    for (uint32_t i = 0; i < w->group->tasks; i++) {
        if (task_find(w->batch, w->clip, i) == NULL && work_has_inputs(w, i)) return false;
    }
    return true;
}

static bool check_work(const struct work *w, struct error *err)
{
    uint32_t done = 0;
    CHAIN_EACH(link, &w->tasks)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, of_work);
        done += t->state == TASK_DONE;
        if (!check_task(w, t, err)) return false;
    }
    if (done != w->done) return broken(err, "I3", "done tasks are miscounted", w->batch->id);
    if (!work_fits(w)) return broken(err, "I3", "tasks and clip disagree", w->batch->id);
    if (!is_of_one_fingerprint(w)) return broken(err, "S7", "two fingerprints", w->batch->id);
    return has_all_objects(w) || broken(err, "I6", "a task was forgotten", w->batch->id);
}

/* T9, W8: what is done needs no second opinion. */
static uint32_t count_opinions(const struct work *w, bool *right)
{
    uint32_t count = 0;
    CHAIN_EACH(link, &w->tasks)
    {
        const struct task *t = CHAIN_OWNER(link, struct task, of_work);
        if (t->opinion == NULL) continue;
        count++;
        *right = *right && t->state != TASK_DONE && t->opinion->view_count < VIEWS_MAX;
    }
    return count;
}

static bool check_works(const struct farm *f, struct error *err)
{
    uint32_t opinions = 0;
    bool right = true;
    for (size_t i = 0; i < f->batches.count; i++) {
        const struct work *w = NULL;
        for (size_t k = 0; (w = table_next(&f->order[i]->works, &k, NULL, NULL)) != NULL;) {
            if (!check_work(w, err)) return false;
            opinions += count_opinions(w, &right);
        }
    }
    return (right && opinions == f->opinions) ||
           broken(err, "T9", "second opinions are miscounted, or never end", "farm");
}

/* ---- slots and sessions ---- */

static bool check_slot(const struct worker *w, uint32_t index, struct error *err)
{
    const struct slot *s = &w->slots[index];
    const struct attempt *both[] = {s->running, s->next};
    for (size_t i = 0; i < 2; i++) {
        if (both[i] == NULL) continue;
        if (both[i]->worker != w || both[i]->slot != index || !is_in_its_place(both[i]))
            return broken(err, "I5", "a slot holds a foreign attempt", w->name);
    }
    return true;
}

static bool check_workers(const struct farm *f, struct error *err)
{
    size_t sessions = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *w = f->crew[i];
        sessions += w->session != 0;
        if (w->session != 0 && worker_of_session(f, w->session) != w)
            return broken(err, "I5", "a session leads elsewhere", w->name);
        for (uint32_t s = 0; s < w->slot_count; s++) {
            if (!check_slot(w, s, err)) return false;
        }
    }
    return sessions == f->sessions.count || broken(err, "I5", "a session without worker", "farm");
}

/* ---- S5: what the roster says ---- */

static bool is_listed_right(const struct farm *f, const struct slot *s)
{
    const struct heap *h = &f->roster.running;
    bool accepts = worker_accepts(s->worker), runs = s->running != NULL;
    bool is_hungry = runs && s->next == NULL && !standing_is_shaky(s->worker);
    bool has_room = worker_slot_is_free(s) || is_hungry;
    bool in_heap = s->by_end.index != HEAP_OUT && h->nodes[s->by_end.index] == &s->by_end;
    return s->is_open == accepts && in_heap == runs &&
           (accepts && has_room) == !chain_is_empty(&s->in_places);
}

static bool check_roster(const struct farm *f, struct error *err)
{
    uint32_t open = 0, recalls = 0;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *w = f->crew[i];
        for (uint32_t s = 0; s < w->slot_count; s++) {
            const struct attempt *next = w->slots[s].next;
            open += worker_accepts(w);
            recalls += next != NULL && next->recalled;
            if (!is_listed_right(f, &w->slots[s]))
                return broken(err, "S5", "a slot is not where it is looked for", w->name);
        }
        if (canary_may_go(w) == chain_is_empty(&w->in_canaries))
            return broken(err, "S5", "a canary is wanted and not listed, or the other way",
                          w->name);
    }
    return (open == f->roster.slots && recalls == f->roster.recalls) ||
           broken(err, "S5", "slots are miscounted", "farm");
}

/* ---- I6 ---- */

static bool check_idleness(struct farm *f, int64_t now_ns, struct error *err)
{
    bool is_due = f->dispatch_wanted || !chain_is_empty(&f->roster.touched);
    if (f->disk_low || is_due) return true; /* the turn is still to come */
    if (!check_roster(f, err)) return false;
    if (hazard_is_neglected(f))
        return broken(err, "I6", "a hazard waits though it could run", "farm");
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *w = f->crew[i];
        if (!worker_accepts(w)) continue;
        for (uint32_t s = 0; s < w->slot_count; s++) {
            if (!worker_slot_is_free(&w->slots[s])) continue;
            if (scheduler_pick(f, w, s, now_ns).stand != NULL)
                return broken(err, "I6", "a slot is idle while a task waits", w->name);
        }
    }
    return true;
}

/* ---- I9 ---- */

static bool add_credit(const struct chain *list, uint64_t *out, struct error *err)
{
    CHAIN_EACH(link, list)
    {
        const struct upload *u = CHAIN_OWNER(link, struct upload, in_transfers);
        if (u->granted < u->received[u->current] || u->complete || u->paused)
            return broken(err, "I9", "an upload's credit is wrong", u->attempt->worker->name);
        *out += u->granted - u->received[u->current];
    }
    return true;
}

static bool check_credit(const struct farm *f, struct error *err)
{
    uint64_t out = 0;
    if (!add_credit(&f->transfers, &out, err) || !add_credit(&f->spare, &out, err)) return false;
    return out + f->credit_bytes <= CREDIT_POOL_BYTES ||
           broken(err, "I9", "more credit than the pool has", "farm");
}

bool farm_check(struct farm *f, int64_t now_ns, struct error *err)
{
    return check_counts(f, err) && check_works(f, err) && check_workers(f, err) &&
           check_idleness(f, now_ns, err) && check_credit(f, err);
}

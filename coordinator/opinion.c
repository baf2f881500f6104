#include "coordinator/opinion.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/canary.h"
#include "coordinator/checkpoints.h"
#include "coordinator/pin.h"
#include "coordinator/retry.h"

/* ---- object ---- */

static struct opinion *open_on(struct farm *f, struct task *t, enum suspect suspect,
                               struct worker *first, uint64_t first_fence)
{
    struct opinion *o = xcalloc(1, sizeof(*o));
    o->suspect = suspect;
    o->first = first;
    o->first_fence = first_fence;
    t->opinion = o;
    f->opinions++;
    return o;
}

void opinion_close(struct farm *f, struct task *t)
{
    if (t->opinion == NULL) return;
    free(t->opinion->fingerprint);
    free(t->opinion);
    t->opinion = NULL;
    f->opinions--;
}

bool opinion_compares(const struct task *t)
{
    return t->opinion != NULL && t->opinion->suspect == SUSPECT_NONE;
}

void opinion_forget_views(struct task *t)
{
    if (t->opinion != NULL) t->opinion->view_count = 0;
    CHAIN_EACH(link, &t->live)
    {
        CHAIN_OWNER(link, struct attempt, of_task)->outdated = true;
    }
}

void opinion_record(const struct task *t, struct task_record *record)
{
    const struct opinion *o = t->opinion;
    if (o == NULL) return;
    record->suspect = o->suspect;
    record->winner = o->first->name;
    record->winner_fence = o->first_fence;
}

void opinion_load(struct farm *f, struct task *t, const struct task_record *record)
{
    bool was_set_aside = record->winner != NULL && record->winner[0] != '\0';
    if (!was_set_aside) return;
    (void)open_on(f, t, record->suspect, worker_know(f, record->winner), record->winner_fence);
}

/* ---- who may render it ---- */

static bool has_view(const struct opinion *o, const struct worker *w)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        if (o->views[i].by == w) return true;
    }
    return false;
}

static bool is_alike(const struct opinion *o, const char *fingerprint)
{
    return o->fingerprint == NULL || strcmp(o->fingerprint, fingerprint) == 0;
}

/* Now, or when what it holds is done. */
static bool could(const struct task *t, const struct worker *w, const char *fingerprint)
{
    if (w->disk_low || retry_is_blamed(t, w)) return false;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        bool same = fingerprint == NULL || strcmp(w->slots[i].fingerprint, fingerprint) == 0;
        if (same && slot_fits(w, i, t->lane) && pin_takes(t->work, w->slots[i].fingerprint))
            return true;
    }
    return false;
}

static bool somebody_else_could(const struct farm *f, const struct task *t, const struct worker *w,
                                const char *fingerprint)
{
    const struct opinion *o = t->opinion;
    for (size_t i = 0; i < f->workers.count; i++) {
        const struct worker *other = f->crew[i];
        if (other == w || (o != NULL && has_view(o, other))) continue;
        if (could(t, other, fingerprint)) return true;
    }
    return false;
}

bool opinion_may_run(const struct farm *f, const struct task *t, const struct worker *w,
                     const char *fingerprint)
{
    const struct opinion *o = t->opinion;
    if (o == NULL) return true;
    if (o->suspect != SUSPECT_NONE) return w != o->first || !somebody_else_could(f, t, w, NULL);
    bool is_wanted = !has_view(o, w) && is_alike(o, fingerprint);
    return is_wanted || !somebody_else_could(f, t, NULL, o->fingerprint);
}

bool opinion_may_adopt(const struct farm *f, const struct task *t, const struct worker *w,
                       uint64_t worker_fence, const char *fingerprint)
{
    const struct opinion *o = t->opinion;
    if (o == NULL) return true;
    if (w == o->first && worker_fence <= o->first_fence) return false;
    return opinion_may_run(f, t, w, fingerprint);
}

/* ---- setting aside ---- */

/* What it went on from, and what it left to go on from, goes too. */
static void set_aside(struct farm *f, struct attempt *a, enum attempt_end end, const char *why,
                      int64_t now_ns)
{
    struct task *t = a->task;
    deadline_clear(&f->timers, &t->patience);
    t->preferred = NULL;
    attempt_end(f, a, end, &(struct attempt_detail){.message = why}, now_ns);
    checkpoint_missing(f, t);
}

/* ---- T9 ---- */

/* Segments that do not move may belong to a clip that does. */
static enum suspect oddity(const struct task *t, enum suspect seen)
{
    return seen == SUSPECT_STILL && t->group->tasks > 1 ? SUSPECT_NONE : seen;
}

static void look_again(struct farm *f, struct attempt *a, enum suspect suspect, int64_t now_ns)
{
    const char *why = suspect == SUSPECT_BLACK
                          ? "every frame is black: it is rendered once more"
                          : "every frame is the same: it is rendered once more";
    (void)open_on(f, a->task, suspect, a->worker, a->worker_fence);
    attempt_call_off(f, a, DROP_FENCED, why);
    set_aside(f, a, END_SUSPECT, why, now_ns);
}

static void doubt_first(struct farm *f, const struct task *t, const struct worker *second)
{
    struct worker *first = t->opinion->first;
    char why[LIMIT_NAME_BYTES + 128];
    if (first->quarantined) return;
    (void)snprintf(why, sizeof(why),
                   "what it rendered %s was not so when %s rendered it: a canary "
                   "comes next",
                   suspect_name(t->opinion->suspect), second->name);
    farm_event(f, "worker.suspected", t->batch->id, t->clip, first->name, why);
    worker_explain(first, why, NULL);
    canary_want(f, first);
}

/* ---- comparing ---- */

static bool is_drawn(struct farm *f, const struct attempt *a, const struct digest *content)
{
    uint32_t one_in = f->config.compare_one_in;
    if (one_in == 0 || digest_is_zero(content) || a->fingerprint == NULL) return false;
    if (farm_random(f, one_in) != 0) return false;
    return somebody_else_could(f, a->task, a->worker, a->fingerprint);
}

/* The worker is not told that it is looked at: it hears what everybody hears who was outrun. */
static void put_by(struct farm *f, struct attempt *a, int64_t now_ns)
{
    attempt_call_off(f, a, DROP_DONE, OUTRUN);
    set_aside(f, a, END_COMPARED, "it is rendered once more", now_ns);
}

/* What others left to it, it need not have got right. */
static bool is_its_own(const struct attempt *a)
{
    return !a->resumed_other && !a->outdated && a->inherited == 0;
}

static void add_view(struct opinion *o, const struct attempt *a, const struct view *mine)
{
    if (!is_its_own(a) || o->view_count == VIEWS_MAX) return;
    if (o->view_count == 0) {
        o->first = a->worker;
        o->first_fence = a->worker_fence;
    }
    o->views[o->view_count++] = *mine;
}

static void begin_comparing(struct farm *f, struct attempt *a, const struct view *mine,
                            int64_t now_ns)
{
    struct opinion *o = open_on(f, a->task, SUSPECT_NONE, a->worker, a->worker_fence);
    o->fingerprint = xstrdup(a->fingerprint);
    add_view(o, a, mine);
    put_by(f, a, now_ns);
}

static struct opinion_loser *loser_of(struct opinion_losers *losers, struct worker *w)
{
    for (uint32_t i = 0; i < losers->count; i++) {
        if (losers->items[i].worker == w) return &losers->items[i];
    }
    losers->items[losers->count] = (struct opinion_loser){.worker = w};
    return &losers->items[losers->count++];
}

/* What a worker in quarantine said decides nothing. */
static bool counts(const struct view *v)
{
    return !v->by->quarantined;
}

static uint32_t count_views(const struct opinion *o)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < o->view_count; i++)
        count += counts(&o->views[i]);
    return count;
}

static void find_quarantined(const struct opinion *o, struct opinion_losers *losers)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        if (!counts(&o->views[i])) (void)loser_of(losers, o->views[i].by);
    }
}

static void find_disproved(const struct opinion *o, const struct digest *content,
                           struct opinion_losers *losers)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        const struct view *v = &o->views[i];
        if (!digest_equal(&v->content, content)) loser_of(losers, v->by)->disproved = true;
    }
}

static bool has_ally(const struct opinion *o, const struct view *mine)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        const struct view *v = &o->views[i];
        if (counts(v) && v->by != mine->by && digest_equal(&v->content, &mine->content))
            return true;
    }
    return false;
}

/* It is odd, and somebody saw something. */
static bool is_outdone(const struct opinion *o, const struct view *mine)
{
    for (uint32_t i = 0; mine->odd && i < o->view_count; i++) {
        if (counts(&o->views[i]) && !o->views[i].odd) return true;
    }
    return false;
}

/* NULL: nobody else's counts. */
static struct worker *other_than(const struct opinion *o, const struct worker *w)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        if (counts(&o->views[i]) && o->views[i].by != w) return o->views[i].by;
    }
    return NULL;
}

static bool is_disputed(const struct opinion *o, const struct worker *w)
{
    return other_than(o, w) != NULL;
}

static void want_canaries(struct farm *f, const struct opinion *o, struct worker *w)
{
    for (uint32_t i = 0; i < o->view_count; i++) {
        if (counts(&o->views[i])) canary_want(f, o->views[i].by);
    }
    canary_want(f, w);
}

static void tell_dispute(struct farm *f, const struct task *t, struct worker *w)
{
    char text[2 * LIMIT_NAME_BYTES + 160];
    (void)snprintf(text, sizeof(text),
                   "%s and %s render it differently, and nobody could decide: "
                   "what %s made is taken",
                   other_than(t->opinion, w)->name, w->name, w->name);
    farm_event(f, "task.disputed", t->batch->id, t->clip, w->name, text);
    want_canaries(f, t->opinion, w);
}

/* True: no more can be learned. */
static bool is_over(const struct farm *f, const struct task *t, const struct attempt *a)
{
    const struct opinion *o = t->opinion;
    if (count_views(o) + 1 >= OPINIONS_MAX || o->view_count + 1 >= VIEWS_MAX) return true;
    return !is_disputed(o, a->worker) && !somebody_else_could(f, t, a->worker, o->fingerprint);
}

/* Somebody else saw the same, and both may say so. */
static bool is_agreed(const struct opinion *o, const struct attempt *a, const struct view *mine)
{
    return is_its_own(a) && counts(mine) && has_ally(o, mine) && !is_outdone(o, mine);
}

static bool compare(struct farm *f, struct attempt *a, const struct view *mine,
                    struct opinion_losers *losers, int64_t now_ns)
{
    struct task *t = a->task;
    struct opinion *o = t->opinion;
    const char *fingerprint = a->fingerprint != NULL ? a->fingerprint : "";
    find_quarantined(o, losers);
    if (o->fingerprint == NULL && fingerprint[0] != '\0') o->fingerprint = xstrdup(fingerprint);
    if (digest_is_zero(&mine->content) || !is_alike(o, fingerprint)) return true;
    if (is_agreed(o, a, mine)) {
        find_disproved(o, &mine->content, losers);
        return true;
    }
    if (is_over(f, t, a)) {
        if (is_disputed(o, a->worker)) tell_dispute(f, t, a->worker);
        return true;
    }
    if (is_disputed(o, a->worker) && !somebody_else_could(f, t, a->worker, o->fingerprint))
        want_canaries(f, o, a->worker);
    add_view(o, a, mine);
    put_by(f, a, now_ns);
    return false;
}

/* ---- a result ---- */

bool opinion_hear(struct farm *f, struct attempt *a, const struct farm_verdict *verdict,
                  struct opinion_losers *losers, int64_t now_ns)
{
    struct task *t = a->task;
    const enum suspect odd = oddity(t, verdict->suspect);
    const struct view mine = {a->worker, verdict->content, odd != SUSPECT_NONE};
    if (t->opinion == NULL && odd != SUSPECT_NONE) {
        look_again(f, a, odd, now_ns);
        return false;
    }
    if (t->opinion == NULL && is_drawn(f, a, &verdict->content)) {
        begin_comparing(f, a, &mine, now_ns);
        return false;
    }
    if (opinion_compares(t)) return compare(f, a, &mine, losers, now_ns);
    if (t->opinion != NULL && odd == SUSPECT_NONE) doubt_first(f, t, a->worker);
    return true;
}

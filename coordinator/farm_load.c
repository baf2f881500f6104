/* What the store holds becomes machines again (L3, A3). */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/clip.h"
#include "coordinator/finish.h"
#include "coordinator/lease.h"
#include "coordinator/opinion.h"
#include "coordinator/pin.h"
#include "coordinator/presence.h"

/* ---- workers ---- */

bool farm_load_worker(struct farm *f, const struct worker_record *record, struct error *err)
{
    if (worker_find(f, record->name) != NULL)
        return error_set(err, ERROR_CORRUPT, "worker %s is stored twice", record->name);
    struct worker *w = worker_know(f, record->name);
    memcpy(w->boot_id, record->boot_id, ID_BOOT_BYTES);
    worker_describe(w, record->machine_id, record->host, record->build);
    worker_explain(w, record->reason, record->by);
    w->admitted = record->admitted;
    w->state = record->state;
    w->draining = record->state == WORKER_DRAINING;
    w->drained = record->state == WORKER_DRAINED;
    w->quarantined = record->state == WORKER_QUARANTINED;
    w->standing.held = w->quarantined && record->by[0] != '\0';
    w->since_ms = record->since_ms;
    w->finished = record->finished;
    w->failed = record->failed;
    w->lost = record->lost;
    w->saved_ends = w->finished + w->failed + w->lost;
    return true;
}

/* ---- batches ---- */

static uint64_t sum(const struct clip_counts *counts)
{
    uint64_t total = 0;
    for (int s = 0; s < CLIP_STATE_COUNT; s++)
        total += counts->by_state[s];
    return total;
}

static bool check_counts(const struct batch *b, const struct batch_record *record,
                         struct error *err)
{
    for (uint32_t i = 0; i < b->group_count; i++) {
        if (sum(&record->group_counts[i]) != sum(&b->groups[i].counts))
            return error_set(err, ERROR_CORRUPT, "batch %s: the counters of group %u are wrong",
                             b->id, (unsigned)i);
    }
    return true;
}

static void take_counts(struct clip_counts *to, const struct clip_counts *old,
                        const struct clip_counts *new)
{
    for (int s = 0; s < CLIP_STATE_COUNT; s++)
        to->by_state[s] += new->by_state[s] - old->by_state[s];
    to->suspect += new->suspect - old->suspect;
}

static void load_counts(struct farm *f, struct batch *b, const struct batch_record *record)
{
    for (uint32_t i = 0; i < b->group_count; i++) {
        const struct clip_counts *new = &record->group_counts[i];
        struct clip_counts old = b->groups[i].counts;
        take_counts(&b->groups[i].counts, &old, new);
        take_counts(&b->counts, &old, new);
        take_counts(&f->counts, &old, new);
    }
}

bool farm_load_batch(struct farm *f, const struct batch_spec *spec,
                     const struct batch_record *record, struct error *err)
{
    struct batch *b = batch_new(f, spec, err);
    if (b == NULL || !check_counts(b, record, err)) return false;
    load_counts(f, b, record);
    b->state = record->state;
    b->paused = record->state == BATCH_PAUSED;
    b->started = record->started;
    b->round = record->round;
    b->finished_ms = record->finished_ms;
    b->attempts = record->attempts;
    b->steps_computed = record->steps_computed;
    b->steps_wasted = record->steps_wasted;
    if (batch_state_is_terminal(b->state)) f->batches_unfinished--;
    return true;
}

bool farm_load_page(struct farm *f, const char *batch, uint32_t index, const uint8_t *states,
                    struct error *err)
{
    struct batch *b = batch_find(f, batch);
    if (b == NULL || index >= b->page_count)
        return error_set(err, ERROR_CORRUPT, "a page of clips belongs to no batch (%s)", batch);
    if (!clip_load_page(b, index, states))
        return error_set(err, ERROR_CORRUPT, "batch %s: page %u of its clips is damaged", batch,
                         (unsigned)index);
    return true;
}

/* ---- tasks ---- */

static void load_blame(struct farm *f, struct task *t, const struct task_record *record)
{
    t->blamed_count = record->blamed_count;
    for (uint32_t i = 0; i < record->blamed_count; i++)
        t->blamed[i] = (struct blame){worker_know(f, record->blamed[i]), 0};
    if (t->counted >= 2) chain_append(&f->disputed, &t->in_disputed);
}

static enum attempt_end end_by_name(const char *name)
{
    for (int end = 1; end < END_COUNT; end++) {
        if (strcmp(attempt_end_name((enum attempt_end)end), name) == 0)
            return (enum attempt_end)end;
    }
    return END_LIVE;
}

static void load_result(struct farm *f, struct task *t, const struct task_record *record)
{
    if (t->state != TASK_DONE) {
        opinion_load(f, t, record);
        return;
    }
    if (record->winner != NULL && record->winner[0] != '\0')
        t->winner = worker_know(f, record->winner);
    t->winner_fence = record->winner_fence;
    t->output_bytes = record->output_bytes;
    t->suspect = record->suspect;
    f->stitch_bytes += t->output_bytes;
    pin_update(f, t->work, record->fingerprint != NULL ? record->fingerprint : "");
    t->work->done++;
}

static void load_checkpoint(struct task *t, const struct task_record *record)
{
    const char *fingerprint = record->checkpoint_fingerprint;
    if (record->checkpoint_step == 0 || fingerprint == NULL) return;
    t->checkpoint.step = record->checkpoint_step;
    t->checkpoint.fence = record->checkpoint_fence;
    free(t->checkpoint.fingerprint);
    t->checkpoint.fingerprint = xstrdup(fingerprint);
}

bool farm_load_task(struct farm *f, const struct task_record *record, struct error *err)
{
    const struct task_key *key = &record->key;
    struct batch *b = batch_find(f, key->batch);
    bool legal = b != NULL && key->clip < b->clips && key->task < clip_group(b, key->clip)->tasks &&
                 record->state <= TASK_DONE && record->blamed_count <= RETRY_DISTINCT_WORKERS &&
                 task_find(b, key->clip, key->task) == NULL;
    if (!legal)
        return error_set(err, ERROR_CORRUPT, "the row of task %s/%u.%u is damaged", key->batch,
                         (unsigned)key->clip, (unsigned)key->task);
    struct task *t = task_open(f, work_of(b, key->clip), key->task);
    t->state = record->state;
    t->fence = record->fence;
    t->attempts = record->attempts;
    t->counted = record->counted;
    t->losses = record->losses;
    if (record->why != NULL) task_note_end(t, end_by_name(record->why), record->message);
    load_blame(f, t, record);
    load_result(f, t, record);
    load_checkpoint(t, record);
    return true;
}

bool farm_load_attempt(struct farm *f, const struct attempt_record *record, struct error *err)
{
    const struct task_key *key = &record->task;
    const struct batch *b = batch_find(f, key->batch);
    struct task *t = b != NULL ? task_find(b, key->clip, key->task) : NULL;
    if (t == NULL || t->state != TASK_LEASED)
        return error_set(err, ERROR_CORRUPT, "attempt %llu of %s/%u.%u has no leased task",
                         (unsigned long long)record->fence, key->batch, (unsigned)key->clip,
                         (unsigned)key->task);
    struct worker *w = worker_know(f, record->worker);
    struct attempt *a = attempt_new(t, w, record->fence, record->worker_fence, record->slot);
    a->loaded = true;
    a->step = a->resumed_step = record->resumed_step;
    a->resumed_other = record->resumed_step > 0;        /* whose it was is not kept */
    a->outdated = task_has_inputs(t->group, t->number); /* nor what was made anew since */
    if (t->checkpoint.step == 0) a->inherited = a->resumed_step;
    if (t->checkpoint.fence == a->fence) {
        t->checkpoint.worker = w;
        a->step = t->checkpoint.step;
    }
    return true;
}

/* ---- going on ---- */

/* What waits begins anew; what was leased and has no lease too. */
static uint64_t resume_tasks(struct farm *f, struct work *w, int64_t now_ns)
{
    uint64_t leases = 0;
    CHAIN_EACH(link, &w->tasks)
    {
        struct task *t = CHAIN_OWNER(link, struct task, of_work);
        bool orphan = t->state == TASK_LEASED && chain_is_empty(&t->live);
        if (t->state == TASK_WAITING || orphan) task_requeue(f, t, 0, now_ns);
        CHAIN_EACH(live, &t->live)
        {
            attempt_pay(CHAIN_OWNER(live, struct attempt, of_task), now_ns);
            leases++;
        }
    }
    return leases;
}

/* What is stored waits for `retry`, which a canceled batch is refused: older builds kept it there
 * too. */
static void resume_failed(struct farm *f, struct work *w, int64_t now_ns)
{
    if (w->batch->state == BATCH_CANCELED) work_cancel(f, w, now_ns);
}

static uint64_t resume_work(struct farm *f, struct work *w, int64_t now_ns)
{
    if (clip_state(w->batch, w->clip) == CLIP_FAILED) {
        resume_failed(f, w, now_ns);
        return 0;
    }
    uint64_t leases = resume_tasks(f, w, now_ns);
    if (work_is_done(w))
        finish_resume(f, w);
    else
        work_begin(f, w);
    work_settle(f, w);
    pin_update(f, w, NULL);
    return leases;
}

static uint64_t resume_batch(struct farm *f, struct batch *b, int64_t now_ns)
{
    uint64_t leases = 0;
    struct work *w = NULL;
    for (size_t i = 0; (w = table_next(&b->works, &i, NULL, NULL)) != NULL;)
        leases += resume_work(f, w, now_ns);
    batch_refresh(f, b);
    return leases;
}

/* Whether it was there when the coordinator stopped. */
static bool was_here(const struct worker *w)
{
    return !chain_is_empty(&w->attempts) ||
           (w->state != WORKER_OFFLINE && w->state != WORKER_DRAINED);
}

void farm_loaded(struct farm *f, int64_t now_ns)
{
    uint64_t leases = 0;
    for (size_t i = 0; i < f->batches.count; i++)
        leases += resume_batch(f, f->order[i], now_ns);
    int64_t grace_ns = LOST_GRACE_NS + (int64_t)leases * LEASE_RESTART_PER_TASK_NS;
    for (size_t i = 0; i < f->workers.count; i++) {
        if (was_here(f->crew[i])) worker_silent(f, f->crew[i], grace_ns, now_ns);
    }
}

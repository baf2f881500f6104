/* checker: watches a farm from outside and says when it breaks a promise. It sees what was
 * committed, what was sent and which jobs were started, in that order, over all restarts; it shares
 * no code with the core and keeps its own, simpler books.
 *
 *   I1  a clip is published once, from a stored output of an attempt whose lease was saved
 *   I2  what is acknowledged was committed before
 *   T1  an Assign leaves after its lease was committed; T3 an attempt ends exactly once
 *   T4  a clip fails for a bad recipe, or after two ends that count, or in stitching
 *   I7  fences only grow, whatever crashes and restarts happen
 *   B2  nothing is renamed before publishing(sha256) is committed, and nothing but that file
 *   B4, D1, W2: nothing is leased of a batch that is over or paused, while the disk is low, or to
 *       a worker that was not admitted */
#ifndef ZOE_TESTS_SIMULATION_CHECKER_H
#define ZOE_TESTS_SIMULATION_CHECKER_H

#include "simulation/ledger.h"
#include "simulation/nature.h"

#define CHECKER_NAME 32

struct checker_lease {
    uint64_t fence;
    uint64_t worker_fence;
    char worker[CHECKER_NAME];
    bool ended;
    enum attempt_end end;
};

struct checker_clip {
    char batch[ID_BATCH_SIZE];
    uint32_t clip;
    struct checker_lease *leases;
    size_t lease_count;
    uint64_t last_fence;
    struct digest outputs[LIMIT_OUTPUTS];
    uint32_t output_count; /* stored and not dropped */
    bool missing;          /* somebody said that a stored output is damaged */
    uint64_t dropped_in;   /* the commit in which it was dropped for that */
    struct digest publishing;
    bool is_publishing;
    bool published;
    bool failed;
    uint32_t counted; /* ends that count against it, since it last failed */
    bool nonsense;    /* the engine refused its recipe, since then */
};

struct checker_batch {
    char id[ID_BATCH_SIZE];
    uint32_t clips;
    uint32_t groups;
    enum batch_state state;
    bool removed;
};

struct checker_worker {
    char name[CHECKER_NAME];
    bool admitted;
    uint64_t session;
    uint64_t last_number;
};

struct checker {
    struct checker_clip *clips;
    struct checker_batch *batches;
    struct checker_worker *workers;
    size_t clip_count, batch_count, worker_count;
    bool disk_is_low;
    uint64_t commits;
    struct attempt_key owed; /* assigned though it had ended: its Cancel must follow at once */
    uint64_t owed_in;        /* session; 0 = nothing is owed */
    struct error red;        /* the first broken promise; ERROR_NONE = green */
};

static inline bool checker_is_red(const struct checker *c)
{
    return c->red.code != ERROR_NONE;
}

static inline void checker_say(struct checker *c, const char *rule, const char *what,
                               const struct task_key *key)
{
    if (checker_is_red(c)) return;
    error_set(&c->red, ERROR_INTERNAL, "%s: %s (%s/%u.%u)", rule, what, key->batch,
              (unsigned)key->clip, (unsigned)key->task);
}

/* ---- books ---- */

static inline struct checker_clip *checker_clip(struct checker *c, const char *batch, uint32_t clip)
{
    for (size_t i = 0; i < c->clip_count; i++) {
        if (c->clips[i].clip == clip && strcmp(c->clips[i].batch, batch) == 0) return &c->clips[i];
    }
    c->clips = ledger_grow(c->clips, &c->clip_count, sizeof(*c->clips));
    struct checker_clip *added = &c->clips[c->clip_count - 1];
    (void)snprintf(added->batch, sizeof(added->batch), "%s", batch);
    added->clip = clip;
    return added;
}

static inline struct checker_batch *checker_batch(struct checker *c, const char *id)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        if (strcmp(c->batches[i].id, id) == 0) return &c->batches[i];
    }
    c->batches = ledger_grow(c->batches, &c->batch_count, sizeof(*c->batches));
    struct checker_batch *added = &c->batches[c->batch_count - 1];
    (void)snprintf(added->id, sizeof(added->id), "%s", id);
    return added;
}

static inline struct checker_worker *checker_worker(struct checker *c, const char *name)
{
    for (size_t i = 0; i < c->worker_count; i++) {
        if (strcmp(c->workers[i].name, name) == 0) return &c->workers[i];
    }
    c->workers = ledger_grow(c->workers, &c->worker_count, sizeof(*c->workers));
    struct checker_worker *added = &c->workers[c->worker_count - 1];
    (void)snprintf(added->name, sizeof(added->name), "%s", name);
    return added;
}

static inline struct checker_lease *checker_lease(struct checker_clip *clip, const char *worker,
                                                  uint64_t worker_fence)
{
    for (size_t i = clip->lease_count; i-- > 0;) {
        struct checker_lease *l = &clip->leases[i];
        if (l->worker_fence == worker_fence && strcmp(l->worker, worker) == 0) return l;
    }
    return NULL;
}

static inline void checker_accepted(struct checker *c, const struct batch_spec *spec)
{
    struct checker_batch *b = checker_batch(c, spec->id);
    b->clips = spec->clips;
    b->groups = spec->groups;
}

static inline void checker_finish(struct checker *c)
{
    for (size_t i = 0; i < c->clip_count; i++)
        free(c->clips[i].leases);
    free(c->clips);
    free(c->batches);
    free(c->workers);
    *c = (struct checker){0};
}

/* ---- what was committed ---- */

/* New leases are the last thing that a turn gives: its end state must allow them. */
static inline bool checker_may_lease(const struct farm *f, const char *batch)
{
    struct batch_record record;
    if (!farm_batch_record(f, batch, &record)) return false;
    return record.state == BATCH_QUEUED || record.state == BATCH_RUNNING;
}

static inline void checker_see_lease(struct checker *c, const struct farm *f,
                                     const struct attempt_record *a)
{
    struct checker_clip *clip = checker_clip(c, a->task.batch, a->task.clip);
    const struct checker_batch *b = checker_batch(c, a->task.batch);
    bool is_fresh = a->fence == a->worker_fence; /* else an old result was adopted */
    if (a->fence <= clip->last_fence) checker_say(c, "I7", "a fence did not grow", &a->task);
    if (clip->published) checker_say(c, "I1", "a published clip was leased", &a->task);
    if (b->clips == 0 || b->removed) checker_say(c, "B1", "leased of an unknown batch", &a->task);
    if (is_fresh && !checker_may_lease(f, a->task.batch))
        checker_say(c, "B4", "leased of a batch that is paused or over", &a->task);
    if (is_fresh && c->disk_is_low) checker_say(c, "D1", "leased on a low disk", &a->task);
    if (is_fresh && !checker_worker(c, a->worker)->admitted)
        checker_say(c, "W2", "leased to a worker that was not admitted", &a->task);
    clip->last_fence = a->fence;
    clip->failed = false;
    clip->leases = ledger_grow(clip->leases, &clip->lease_count, sizeof(*clip->leases));
    struct checker_lease *l = &clip->leases[clip->lease_count - 1];
    l->fence = a->fence;
    l->worker_fence = a->worker_fence;
    (void)snprintf(l->worker, sizeof(l->worker), "%s", a->worker);
}

static inline void checker_count(struct checker_clip *clip, enum attempt_end end)
{
    clip->counted += end == END_HUNG || end == END_FAILED || end == END_REJECTED;
    clip->nonsense = clip->nonsense || end == END_RECIPE;
}

/* Neither loss nor preemption fails a clip, and no single failure does. */
static inline void checker_see_failed(struct checker *c, struct checker_clip *clip,
                                      const struct task_key *key)
{
    if (!clip->nonsense && clip->counted < 2 && clip->output_count == 0)
        checker_say(c, "T4", "a clip failed without cause", key);
    clip->failed = true;
    clip->counted = 0;
    clip->nonsense = false;
}

static inline void checker_see_end(struct checker *c, const struct attempt_end_record *end)
{
    struct checker_clip *clip = checker_clip(c, end->task.batch, end->task.clip);
    checker_count(clip, end->end);
    for (size_t i = 0; i < clip->lease_count; i++) {
        struct checker_lease *l = &clip->leases[i];
        if (l->fence != end->fence) continue;
        if (l->ended) checker_say(c, "T3", "an attempt ended twice", &end->task);
        if (end->end == END_DONE && clip->output_count == 0)
            checker_say(c, "I2", "done without outputs", &end->task);
        l->ended = true;
        l->end = end->end;
        return;
    }
    checker_say(c, "T3", "an attempt ended that never began", &end->task);
}

static inline bool checker_has_live(const struct checker_clip *clip)
{
    for (size_t i = 0; i < clip->lease_count; i++) {
        if (!clip->leases[i].ended) return true;
    }
    return false;
}

static inline void checker_see_output(struct checker *c, const struct output_record *o)
{
    struct checker_clip *clip = checker_clip(c, o->task.batch, o->task.clip);
    const struct digest *sha256 = &o->output.sha256;
    if (!sha256->bytes[NATURE_GOOD]) checker_say(c, "I1", "a bad output was stored", &o->task);
    if (!nature_is_of(sha256, &o->task)) checker_say(c, "I1", "an output of another", &o->task);
    if (!checker_has_live(clip)) checker_say(c, "I1", "stored without a lease", &o->task);
    if (clip->published) checker_say(c, "I1", "stored after publication", &o->task);
    if (o->index != clip->output_count || o->index >= LIMIT_OUTPUTS)
        checker_say(c, "I1", "two results of one task were stored", &o->task);
    else
        clip->outputs[clip->output_count++] = *sha256;
}

static inline void checker_see_drop(struct checker *c, const struct task_key *key)
{
    struct checker_clip *clip = checker_clip(c, key->batch, key->clip);
    if (!clip->published && !clip->missing)
        checker_say(c, "I2", "outputs were dropped that are needed", key);
    clip->output_count = 0;
    clip->missing = false;
    clip->dropped_in = c->commits;
}

static inline void checker_see_publishing(struct checker *c, struct checker_clip *clip,
                                          const struct clip_record *row, const struct task_key *key)
{
    if (clip->output_count == 0 || !nature_is_video_of(&row->sha256, &clip->outputs[0]))
        checker_say(c, "I1", "publishing what is not of its stored outputs", key);
    clip->publishing = row->sha256;
    clip->is_publishing = true;
}

static inline void checker_see_clip(struct checker *c, const struct clip_record *row)
{
    struct checker_clip *clip = checker_clip(c, row->batch, row->clip);
    struct task_key key = {.clip = row->clip};
    memcpy(key.batch, row->batch, sizeof(key.batch));
    if (clip->published) checker_say(c, "I1", "more was said of a published clip", &key);
    if (row->state == CLIP_PUBLISHING) checker_see_publishing(c, clip, row, &key);
    if (row->state == CLIP_FAILED) checker_see_failed(c, clip, &key);
    if (row->state != CLIP_PUBLISHED) return;
    if (!clip->is_publishing || memcmp(&clip->publishing, &row->sha256, sizeof(row->sha256)) != 0)
        checker_say(c, "B2", "published what was never publishing", &key);
    clip->published = true;
    clip->failed = false;
}

static inline void checker_see_batch(struct checker *c, const struct farm *f, const char *id)
{
    struct batch_record record;
    struct checker_batch *b = checker_batch(c, id);
    struct task_key key = {.batch = ""};
    memcpy(key.batch, b->id, sizeof(key.batch));
    if (!farm_batch_record(f, id, &record)) return;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->groups; i++) {
        for (int s = 0; s < CLIP_STATE_COUNT; s++)
            sum += record.group_counts[i].by_state[s];
    }
    if (sum != b->clips) checker_say(c, "I3", "counters do not sum to the clips", &key);
    b->state = record.state;
}

static inline void checker_see_worker(struct checker *c, const struct worker_record *row)
{
    checker_worker(c, row->name)->admitted = row->admitted;
}

static inline void checker_see_write(struct checker *c, const struct farm *f,
                                     const struct effect *e)
{
    if (e->kind == EFFECT_SAVE_BATCH) checker_see_batch(c, f, e->batch);
    if (e->kind == EFFECT_REMOVE_BATCH) checker_batch(c, e->batch)->removed = true;
    if (e->kind == EFFECT_SAVE_ATTEMPT) checker_see_lease(c, f, &e->attempt);
    if (e->kind == EFFECT_END_ATTEMPT) checker_see_end(c, &e->end);
    if (e->kind == EFFECT_SAVE_OUTPUT) checker_see_output(c, &e->output);
    if (e->kind == EFFECT_DROP_OUTPUTS) checker_see_drop(c, &e->task_key);
    if (e->kind == EFFECT_SAVE_CLIP) checker_see_clip(c, &e->clip);
    if (e->kind == EFFECT_SAVE_WORKER) checker_see_worker(c, &e->worker);
}

/* ---- what was sent ---- */

static inline void checker_see_number(struct checker *c, const struct effect_message *m)
{
    struct checker_worker *w = checker_worker(c, m->worker);
    if (m->number == 0) return;
    if (m->session != w->session) w->last_number = 0;
    w->session = m->session;
    if (m->number != w->last_number + 1)
        checker_say(c, "T1", "messages are not numbered one by one", &m->attempt.task);
    w->last_number = m->number;
}

static inline void checker_see_assign(struct checker *c, const struct effect_message *m)
{
    const struct task_key *key = &m->attempt.task;
    if (m->canary) return;
    const struct checker_lease *l =
        checker_lease(checker_clip(c, key->batch, key->clip), m->worker, m->attempt.fence);
    if (l == NULL) checker_say(c, "T1", "assigned without a committed lease", key);
    if (l == NULL || !l->ended) return;
    if (c->owed_in != 0) checker_say(c, "T1", "assigned after its end, and not canceled", key);
    c->owed = m->attempt;
    c->owed_in = m->session;
}

static inline void checker_see_cancel(struct checker *c, const struct effect_message *m)
{
    if (m->attempt.fence == c->owed.fence && ledger_same_key(&m->attempt.task, &c->owed.task))
        c->owed_in = 0;
}

/* All of a turn's messages are out. */
static inline void checker_see_all_sent(struct checker *c)
{
    if (c->owed_in != 0)
        checker_say(c, "T1", "assigned after its end, and not canceled", &c->owed.task);
    c->owed_in = 0;
}

static inline void checker_see_stored(struct checker *c, const struct effect_message *m)
{
    const struct task_key *key = &m->attempt.task;
    struct checker_clip *clip = checker_clip(c, key->batch, key->clip);
    const struct checker_lease *l = checker_lease(clip, m->worker, m->attempt.fence);
    bool done = l != NULL && l->ended && l->end == END_DONE;
    bool damaged = clip->dropped_in == c->commits; /* found only now */
    if (!done || (clip->output_count == 0 && !clip->published && !damaged))
        checker_say(c, "I2", "acknowledged what is not stored", key);
}

static inline void checker_see_message(struct checker *c, enum effect_kind kind,
                                       const struct effect_message *m)
{
    checker_see_number(c, m);
    if (kind == EFFECT_ASSIGN) checker_see_assign(c, m);
    if (kind == EFFECT_CANCEL) checker_see_cancel(c, m);
    if (kind == EFFECT_CLOSE_SESSION && m->session == c->owed_in) c->owed_in = 0;
    if (kind == EFFECT_STORED) checker_see_stored(c, m);
    if (kind == EFFECT_CREDIT && c->disk_is_low)
        checker_say(c, "D1", "credit was given on a low disk", &m->attempt.task);
}

static inline void checker_see_job(struct checker *c, enum effect_kind kind,
                                   const struct effect_job *job)
{
    struct checker_clip *clip = checker_clip(c, job->task.batch, job->task.clip);
    if (kind == EFFECT_RENAME && !clip->is_publishing)
        checker_say(c, "B2", "to be renamed before publishing is committed", &job->task);
}

/* A file takes its final name. */
static inline void checker_see_file(struct checker *c, const struct task_key *key,
                                    const struct digest *sha256)
{
    const struct checker_clip *clip = checker_clip(c, key->batch, key->clip);
    if (!clip->is_publishing || memcmp(&clip->publishing, sha256, sizeof(*sha256)) != 0)
        checker_say(c, "B2", "a final name before its commit", key);
}

/* ---- at the end ---- */

static inline void checker_see_over(struct checker *c, const struct checker_batch *b)
{
    uint32_t published = 0, failed = 0;
    struct task_key key = {.batch = ""};
    memcpy(key.batch, b->id, sizeof(key.batch));
    for (size_t i = 0; i < c->clip_count; i++) {
        if (strcmp(c->clips[i].batch, b->id) != 0) continue;
        published += c->clips[i].published;
        failed += c->clips[i].failed;
        key.clip = c->clips[i].clip;
        if (checker_has_live(&c->clips[i])) checker_say(c, "T3", "an attempt never ended", &key);
    }
    if (!batch_state_is_terminal(b->state)) checker_say(c, "B3", "a batch never ended", &key);
    if (b->state == BATCH_CANCELED) return;
    if (published + failed != b->clips) checker_say(c, "B3", "not every clip is accounted", &key);
    if ((failed == 0) != (b->state == BATCH_DONE))
        checker_say(c, "B3", "done and failed are mixed up", &key);
}

static inline void checker_see_end_of_history(struct checker *c)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        if (!c->batches[i].removed && c->batches[i].clips > 0) checker_see_over(c, &c->batches[i]);
    }
}

#endif

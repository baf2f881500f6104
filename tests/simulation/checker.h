/* checker: watches a farm from outside and says when it breaks a promise. It sees what was
 * committed, what was sent and which jobs were started, in that order, over all restarts; it shares
 * no code with the core and keeps its own, simpler books.
 *
 *   I1  a clip is published once, from stored outputs of attempts whose leases were saved: each
 *       task's own, each once, in the plan's order; none is leased before its inputs are stored
 *   I2  what is acknowledged was committed before
 *   T1  an Assign leaves after its lease was committed; T3 an attempt ends exactly once
 *   T9  what is black or still is stored only after a result was set aside before
 *   S4  at most one copy of a task is given beside its first attempt
 *   T4  a clip fails for a bad recipe, or after two ends that count, or in stitching
 *   S7  nothing of two fingerprints is stored of one clip, and nothing goes on from another's
 *   T6  one checkpoint a task, each with more steps than the one before
 *   I7  fences only grow, whatever crashes and restarts happen
 *   B2  nothing is renamed before publishing(sha256) is committed, and nothing but that file
 *   B4, D1, W2: nothing is leased of a batch that is over or paused, while the disk is low, or to
 *       a worker that was not admitted, or was not given its model's canary before; nothing is
 *       sent, or sent again, of a batch that is paused */
#ifndef ZOE_TESTS_SIMULATION_CHECKER_H
#define ZOE_TESTS_SIMULATION_CHECKER_H

#include "simulation/checker_books.h"

/* ---- what was committed ---- */

/* New leases are the last thing that a turn gives: its end state must allow them. */
static inline bool checker_may_lease(const struct farm *f, const char *batch)
{
    struct batch_record record;
    if (!farm_batch_record(f, batch, &record)) return false;
    return record.state == BATCH_QUEUED || record.state == BATCH_RUNNING;
}

static inline void checker_add_lease(struct checker_task *t, const struct attempt_record *a)
{
    t->last_fence = a->fence;
    t->leases = ledger_grow(t->leases, &t->lease_count, sizeof(*t->leases));
    struct checker_lease *l = &t->leases[t->lease_count - 1];
    l->fence = a->fence;
    l->worker_fence = a->worker_fence;
    (void)snprintf(l->worker, sizeof(l->worker), "%s", a->worker);
}

static inline void checker_see_lease(struct checker *c, const struct farm *f,
                                     const struct attempt_record *a)
{
    struct checker_clip *clip = checker_clip(c, &a->task);
    if (!checker_has_inputs(c, &a->task))
        checker_say(c, "S1", "leased before its inputs were stored", &a->task);
    struct checker_task *t = checker_task(c, &a->task);
    const struct checker_batch *b = checker_batch(c, a->task.batch);
    bool is_fresh = a->fence == a->worker_fence; /* else an old result was adopted */
    if (a->fence <= t->last_fence) checker_say(c, "I7", "a fence did not grow", &a->task);
    if (clip->published) checker_say(c, "I1", "a published clip was leased", &a->task);
    if (b->clips == 0 || b->removed) checker_say(c, "B1", "leased of an unknown batch", &a->task);
    if (is_fresh && !checker_may_lease(f, a->task.batch))
        checker_say(c, "B4", "leased of a batch that is paused or over", &a->task);
    if (is_fresh && checker_live(t) > 1) checker_say(c, "S4", "leased a third time", &a->task);
    if (is_fresh && c->disk_is_low) checker_say(c, "D1", "leased on a low disk", &a->task);
    if (is_fresh && !checker_worker(c, a->worker)->admitted)
        checker_say(c, "W2", "leased to a worker that was not admitted", &a->task);
    if (is_fresh && !checker_has_shown(c, a))
        checker_say(c, "W2", "leased before its worker showed that it can", &a->task);
    if (a->resumed_step != 0 && a->resumed_step != t->checkpoint_step)
        checker_say(c, "T6", "resumes from what is not stored", &a->task);
    clip->failed = false;
    checker_add_lease(t, a);
}

static inline void checker_count(struct checker_clip *clip, enum attempt_end end)
{
    clip->counted += end == END_HUNG || end == END_FAILED || end == END_REJECTED;
    clip->losses += end == END_LOST;
    clip->nonsense = clip->nonsense || end == END_RECIPE;
}

/* No preemption fails a clip, no single failure, and no fewer than four losses (T5). */
static inline void checker_see_failed(struct checker *c, struct checker_clip *clip,
                                      const struct task_key *key)
{
    bool has_cause = clip->nonsense || clip->counted >= 2 || clip->losses >= 4;
    if (!has_cause && !checker_all_stored(c, key))
        checker_say(c, "T4", "a clip failed without cause", key);
    clip->failed = true;
    clip->counted = 0;
    clip->losses = 0;
    clip->nonsense = false;
}

static inline void checker_see_end(struct checker *c, const struct attempt_end_record *end)
{
    struct checker_task *t = checker_task(c, &end->task);
    checker_count(checker_clip(c, &end->task), end->end);
    if (end->steps_wasted > end->steps_computed)
        checker_say(c, "T6", "more waste than work", &end->task);
    for (size_t i = 0; i < t->lease_count; i++) {
        struct checker_lease *l = &t->leases[i];
        if (l->fence != end->fence) continue;
        if (l->ended) checker_say(c, "T3", "an attempt ended twice", &end->task);
        if (end->end == END_DONE && t->output_count == 0)
            checker_say(c, "I2", "done without outputs", &end->task);
        l->ended = true;
        l->end = end->end;
        t->set_aside += end->end == END_SUSPECT || end->end == END_COMPARED;
        return;
    }
    checker_say(c, "T3", "an attempt ended that never began", &end->task);
}

static inline void checker_see_checkpoint(struct checker *c, struct checker_task *t,
                                          const struct output *o)
{
    if (t->checkpoint_step != 0) checker_say(c, "T6", "two checkpoints of one task", &t->key);
    if (t->output_count > 0) checker_say(c, "T6", "a checkpoint of a done task", &t->key);
    if (o->frames != o->sha256.bytes[NATURE_STEP])
        checker_say(c, "T6", "a checkpoint of other steps than it says", &t->key);
    t->checkpoint_step = o->frames;
}

static inline void checker_see_output(struct checker *c, const struct output_record *o)
{
    struct checker_task *t = checker_task(c, &o->task);
    const struct digest *sha256 = &o->output.sha256;
    if (!sha256->bytes[NATURE_GOOD]) checker_say(c, "I1", "a bad output was stored", &o->task);
    if (!nature_is_of(sha256, &o->task)) checker_say(c, "I1", "an output of another", &o->task);
    if (checker_live(t) == 0) checker_say(c, "I1", "stored without a lease", &o->task);
    if (sha256->bytes[NATURE_MIXED])
        checker_say(c, "S7", "it went on from another fingerprint", &o->task);
    if (checker_clip(c, &o->task)->published)
        checker_say(c, "I1", "stored after publication", &o->task);
    if (o->index == CHECKPOINT_OUTPUT) {
        checker_see_checkpoint(c, t, &o->output);
        return;
    }
    if (checker_asks_twice(&o->output, &o->task) && t->set_aside == 0)
        checker_say(c, "T9", "odd frames were taken without a second look", &o->task);
    if (checker_is_mixed(c, sha256, &o->task))
        checker_say(c, "S7", "two fingerprints in one clip", &o->task);
    if (o->index != t->output_count || o->index >= LIMIT_OUTPUTS)
        checker_say(c, "I1", "two results of one task were stored", &o->task);
    else
        t->outputs[t->output_count++] = *sha256;
}

static inline bool checker_is_canceled(const struct farm *f, const char *batch)
{
    struct batch_record record;
    return farm_batch_record(f, batch, &record) && record.state == BATCH_CANCELED;
}

static inline void checker_see_drop(struct checker *c, const struct farm *f,
                                    const struct task_key *key)
{
    struct checker_task *t = checker_task(c, key);
    const struct checker_clip *clip = checker_clip(c, key);
    bool may = clip->published || t->missing || clip->repinned_in == c->commits ||
               clip->disowned_in == c->commits || checker_is_canceled(f, key->batch);
    if (!may) checker_say(c, "I2", "outputs were dropped that are needed", key);
    t->output_count = 0;
    t->checkpoint_step = 0;
    t->missing = false;
    t->set_aside = 0;
    t->dropped_in = c->commits;
}

/* The video that the stored segments make. */
static inline struct digest checker_video(struct checker *c, const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    struct digest video = {{0}};
    struct task_key each = *key;
    for (each.task = 0; each.task < plan_task_count(&plan); each.task++) {
        struct plan_task task = nature_task(&each);
        if (task.published && task.made_frames > 0)
            nature_stitch(&video, &checker_task(c, &each)->outputs[0]);
    }
    return video;
}

static inline void checker_see_publishing(struct checker *c, struct checker_clip *clip,
                                          const struct clip_record *row, const struct task_key *key)
{
    struct digest video = checker_video(c, key);
    if (!checker_all_stored(c, key) || memcmp(&row->sha256, &video, sizeof(video)) != 0)
        checker_say(c, "I1", "publishing what is not of its stored outputs", key);
    clip->publishing = row->sha256;
    clip->is_publishing = true;
}

static inline void checker_see_clip(struct checker *c, const struct clip_record *row)
{
    struct task_key key = {.clip = row->clip};
    memcpy(key.batch, row->batch, sizeof(key.batch));
    struct checker_clip *clip = checker_clip(c, &key);
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
    if (record.state == BATCH_PAUSED && b->state != BATCH_PAUSED) b->paused_in = c->commits;
    b->state = record.state;
}

static inline void checker_see_worker(struct checker *c, const struct worker_record *row)
{
    struct checker_worker *w = checker_worker(c, row->name);
    bool is_new = memcmp(w->boot, row->boot_id, sizeof(w->boot)) != 0;
    w->admitted = row->admitted;
    memcpy(w->boot, row->boot_id, sizeof(w->boot));
    if (is_new) w->shown = 0;
}

static inline void checker_see_event(struct checker *c, const struct event_record *event)
{
    struct task_key key = {.clip = event->clip};
    bool repinned = strcmp(event->kind, "clip.repinned") == 0;
    bool disowned = strcmp(event->kind, "clip.disowned") == 0;
    if (strcmp(event->kind, "canary.useless") == 0) c->canaries_are_useless = true;
    if (!repinned && !disowned) return;
    (void)snprintf(key.batch, sizeof(key.batch), "%s", event->batch);
    struct checker_clip *clip = checker_clip(c, &key);
    if (repinned) clip->repinned_in = c->commits;
    if (disowned) clip->disowned_in = c->commits;
}

static inline void checker_see_write(struct checker *c, const struct farm *f,
                                     const struct effect *e)
{
    if (e->kind == EFFECT_SAVE_BATCH) checker_see_batch(c, f, e->batch);
    if (e->kind == EFFECT_REMOVE_BATCH) checker_batch(c, e->batch)->removed = true;
    if (e->kind == EFFECT_SAVE_ATTEMPT) checker_see_lease(c, f, &e->attempt);
    if (e->kind == EFFECT_END_ATTEMPT) checker_see_end(c, &e->end);
    if (e->kind == EFFECT_SAVE_OUTPUT) checker_see_output(c, &e->output);
    if (e->kind == EFFECT_EVENT) checker_see_event(c, &e->event);
    if (e->kind == EFFECT_DROP_OUTPUTS) checker_see_drop(c, f, &e->task_key);
    if (e->kind == EFFECT_DROP_CHECKPOINT) checker_task(c, &e->task_key)->checkpoint_step = 0;
    if (e->kind == EFFECT_RETIRE_CLIP && !checker_clip(c, &e->task_key)->published)
        checker_say(c, "I2", "retired before it was published", &e->task_key);
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

/* What was sent before it in the turn that paused it was right. */
static inline bool checker_is_paused(struct checker *c, const char *batch)
{
    const struct checker_batch *b = checker_batch(c, batch);
    return b->state == BATCH_PAUSED && b->paused_in != c->commits;
}

static inline void checker_see_assign(struct checker *c, const struct effect_message *m)
{
    const struct task_key *key = &m->attempt.task;
    if (m->canary) {
        checker_worker(c, m->worker)->shown |= (uint16_t)(1U << m->model.bytes[0]);
        return;
    }
    if (checker_is_paused(c, key->batch)) checker_say(c, "B4", "sent of a paused batch", key);
    const struct checker_lease *l =
        checker_lease(checker_task(c, key), m->worker, m->attempt.fence);
    if (l == NULL) checker_say(c, "T1", "assigned without a committed lease", key);
    if (l == NULL || !l->ended) return;
    if (c->owed_count == CHECKER_DEBTS) checker_say(c, "T1", "assigned after its end again", key);
    if (c->owed_count == CHECKER_DEBTS) return;
    c->owed[c->owed_count++] = (struct checker_debt){m->attempt, m->session};
}

static inline void checker_see_cancel(struct checker *c, const struct effect_message *m)
{
    for (size_t i = c->owed_count; i-- > 0;) {
        const struct attempt_key *a = &c->owed[i].attempt;
        if (m->attempt.fence == a->fence && ledger_same_key(&m->attempt.task, &a->task))
            c->owed[i] = c->owed[--c->owed_count];
    }
}

/* Whoever is closed hears of no task any more. */
static inline void checker_see_closed(struct checker *c, uint64_t session)
{
    for (size_t i = c->owed_count; i-- > 0;)
        if (c->owed[i].session == session) c->owed[i] = c->owed[--c->owed_count];
}

/* All of a turn's messages are out. */
static inline void checker_see_all_sent(struct checker *c)
{
    if (c->owed_count > 0)
        checker_say(c, "T1", "assigned after its end, and not canceled", &c->owed[0].attempt.task);
    c->owed_count = 0;
}

static inline void checker_see_stored(struct checker *c, const struct effect_message *m)
{
    const struct task_key *key = &m->attempt.task;
    const struct checker_clip *clip = checker_clip(c, key);
    struct checker_task *t = checker_task(c, key);
    const struct checker_lease *l = checker_lease(t, m->worker, m->attempt.fence);
    bool done = l != NULL && l->ended && l->end == END_DONE;
    bool damaged = t->dropped_in == c->commits; /* found only now */
    if (!done || (t->output_count == 0 && !clip->published && !damaged))
        checker_say(c, "I2", "acknowledged what is not stored", key);
}

static inline void checker_see_message(struct checker *c, enum effect_kind kind,
                                       const struct effect_message *m)
{
    checker_see_number(c, m);
    if (kind == EFFECT_ASSIGN) checker_see_assign(c, m);
    if (kind == EFFECT_CANCEL) checker_see_cancel(c, m);
    if (kind == EFFECT_CLOSE_SESSION) checker_see_closed(c, m->session);
    if (kind == EFFECT_STORED) checker_see_stored(c, m);
    if (kind == EFFECT_CREDIT && c->disk_is_low)
        checker_say(c, "D1", "credit was given on a low disk", &m->attempt.task);
}

static inline void checker_see_job(struct checker *c, enum effect_kind kind,
                                   const struct effect_job *job)
{
    struct checker_clip *clip = checker_clip(c, &job->task);
    if (kind == EFFECT_RENAME && !clip->is_publishing)
        checker_say(c, "B2", "to be renamed before publishing is committed", &job->task);
}

/* A file takes its final name. */
static inline void checker_see_file(struct checker *c, const struct task_key *key,
                                    const struct digest *sha256)
{
    const struct checker_clip *clip = checker_clip(c, key);
    if (!clip->is_publishing || memcmp(&clip->publishing, sha256, sizeof(*sha256)) != 0)
        checker_say(c, "B2", "a final name before its commit", key);
}

/* After a power cut: what stands under a final name is damaged. */
static inline void checker_see_damage(struct checker *c, const struct task_key *key)
{
    checker_say(c, "I8", "what stands under a final name is not whole", key);
}

/* After a power cut: a clip's file lost its final name. */
static inline void checker_see_no_file(struct checker *c, const struct task_key *key)
{
    if (checker_clip(c, key)->published) checker_say(c, "I2", "a published clip is gone", key);
}

/* ---- at the end ---- */

static inline void checker_see_over(struct checker *c, const struct checker_batch *b)
{
    uint32_t published = 0, failed = 0;
    struct task_key key = {.batch = ""};
    memcpy(key.batch, b->id, sizeof(key.batch));
    for (size_t i = 0; i < c->clip_count; i++) {
        if (strcmp(c->clips[i].key.batch, b->id) != 0) continue;
        published += c->clips[i].published;
        failed += c->clips[i].failed;
    }
    for (size_t i = 0; i < c->task_count; i++) {
        const struct checker_task *t = &c->tasks[i];
        if (strcmp(t->key.batch, b->id) != 0) continue;
        if (checker_live(t) > 0) checker_say(c, "T3", "an attempt never ended", &t->key);
        if (t->checkpoint_step != 0) checker_say(c, "T6", "a checkpoint was left", &t->key);
    }
    if (!batch_state_is_terminal(b->state)) checker_say(c, "B3", "a batch never ended", &key);
    if (b->state == BATCH_CANCELED) return;
    if (published + failed != b->clips) checker_say(c, "B3", "not every clip is accounted", &key);
    if ((failed == 0) != (b->state == BATCH_DONE))
        checker_say(c, "B3", "done and failed are mixed up", &key);
}

static inline uint64_t checker_clip_steps(const struct task_key *clip)
{
    struct plan plan = nature_plan(clip);
    struct task_key each = *clip;
    uint64_t steps = 0;
    for (each.task = 0; each.task < plan_task_count(&plan); each.task++)
        steps += nature_steps(&each);
    return steps;
}

/* What was computed suffices for what was published, and what was not wasted is no more than all
 * clips need. */
static inline void checker_see_steps(struct checker *c, const struct farm *f,
                                     const struct checker_batch *b)
{
    struct batch_record record;
    struct task_key key = {.batch = ""};
    uint64_t published = 0, all = 0;
    memcpy(key.batch, b->id, sizeof(key.batch));
    if (!farm_batch_record(f, b->id, &record)) return;
    for (key.clip = 0; key.clip < b->clips; key.clip++) {
        uint64_t steps = checker_clip_steps(&key);
        all += steps;
        published += checker_clip(c, &key)->published ? steps : 0;
    }
    if (record.steps_computed < published)
        checker_say(c, "T6", "published more steps than were computed", &key);
    if (record.steps_wasted > record.steps_computed ||
        record.steps_computed - record.steps_wasted > all)
        checker_say(c, "T6", "the books of steps are wrong", &key);
}

static inline void checker_see_end_of_history(struct checker *c, const struct farm *f)
{
    for (size_t i = 0; i < c->batch_count; i++) {
        if (c->batches[i].removed || c->batches[i].clips == 0) continue;
        checker_see_over(c, &c->batches[i]);
        checker_see_steps(c, f, &c->batches[i]);
    }
}

#endif

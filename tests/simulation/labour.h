/* labour: what the simulated workers do of themselves as time goes by. */
#ifndef ZOE_TESTS_SIMULATION_LABOUR_H
#define ZOE_TESTS_SIMULATION_LABOUR_H

#include "simulation/crew.h"

static inline void job_end(struct member *w, struct crew_job *j, enum attempt_end end)
{
    member_say(w, UP_ENDED, &j->key)->end = end;
    j->stage = STAGE_FREE;
}

/* What it is of: its slot's fingerprint, unless it went on from something else. */
static inline void job_mark(const struct member *w, const struct crew_job *j, struct digest *d)
{
    uint8_t fingerprint = (uint8_t)w->fingerprint[0];
    bool mixed = j->resumed_step > 0 && j->checkpoint.bytes[NATURE_FINGERPRINT] != fingerprint;
    d->bytes[NATURE_FINGERPRINT] = fingerprint;
    d->bytes[NATURE_MIXED] = mixed;
}

/* A result, all its files, that is not what was asked for. Black is what has frames: two that agree
 * on other things than frames cannot be told from two that are right. */
static inline void job_spoil(struct crew *c, const struct member *w, struct crew_job *j)
{
    if (w->temper != LYING && w->temper != FAILING) return;
    bool has_frames = nature_task(&j->key.task).made_frames > 0;
    bool black = has_frames && accident_hits(c->accidents, BLACK_FRAMES, 6);
    bool other = w->temper == LYING && accident_hits(c->accidents, OTHER_FRAMES, 3);
    for (uint32_t i = 0; i < j->output_count; i++) {
        uint8_t *bytes = j->outputs[i].sha256.bytes;
        if (black) bytes[NATURE_SUSPECT] = 2;
        if (other) bytes[NATURE_FALSE] = (uint8_t)w->name[1];
    }
}

static inline void job_output(struct crew *c, const struct member *w, struct crew_job *j,
                              const char *kind)
{
    uint32_t i = j->output_count++;
    struct output *o = &j->outputs[i];
    *o = (struct output){.sha256 = nature_output(&j->key, i, j->fate != FATE_BAD),
                         .size_bytes = (uint64_t)chance_between(c->chance, 0, 5000),
                         .frames = NATURE_FRAMES};
    (void)snprintf(o->kind, sizeof(o->kind), "%s", kind);
    job_mark(w, j, &o->sha256);
    if (chance_one_in(c->chance, 20)) o->size_bytes = 5 * CREDIT_WINDOW_BYTES;
}

static inline void job_result(struct crew *c, const struct member *w, struct crew_job *j)
{
    j->stage = STAGE_RESULT;
    struct plan_task task = nature_task(&j->key.task);
    j->output_count = 0;
    if (task.made_frames > 0) job_output(c, w, j, "segment");
    if (task.latents) job_output(c, w, j, "latents");
    job_spoil(c, w, j);
}

/* Latents of what it has done so far. */
static inline void job_checkpoint(struct crew *c, struct member *w, const struct crew_job *j)
{
    struct up *u = member_say(w, UP_CHECKPOINT, &j->key);
    struct output *o = &u->outputs[0];
    *o = (struct output){.kind = "checkpoint", .frames = j->step};
    bool bad = accident_hits(c->accidents, BAD_CHECKPOINT, 8);
    o->sha256 = nature_output(&j->key, CHECKPOINT_OUTPUT, !bad);
    o->sha256.bytes[NATURE_STEP] = (uint8_t)j->step;
    o->sha256.bytes[NATURE_POISON] =
        w->temper == LYING && accident_hits(c->accidents, POISONED_CHECKPOINT, 2);
    job_mark(w, j, &o->sha256);
    o->size_bytes = (uint64_t)chance_between(c->chance, 1, 4000);
    if (chance_one_in(c->chance, 10)) o->size_bytes = 5 * CREDIT_WINDOW_BYTES;
    u->matches = true;
    u->fingerprint = w->fingerprint;
    u->leaving = j->leave_ns > 0;
}

static inline void job_canary(struct crew *c, struct member *w, struct crew_job *j)
{
    struct up *u = member_say(w, UP_CANARY, &j->key);
    u->right = w->temper != LYING || !accident_hits(c->accidents, WRONG_CANARY, 2);
    bool may_fail = j->model != 0 && (w->temper == FAILING || w->temper == CRASHING);
    u->failed = may_fail && accident_hits(c->accidents, CANARY_FAILS, 2);
    j->stage = STAGE_FREE;
}

static inline void job_step(struct crew *c, struct member *w, struct crew_job *j)
{
    int64_t pace_ns = w->temper == SLOW ? 4 * NS_PER_S : NS_PER_S;
    j->next_ns = c->now_ns + chance_between(c->chance, NS_PER_S / 10, pace_ns);
    j->moved_ns = c->now_ns;
    bool over = j->step >= j->steps; /* what only decodes has no step */
    if (!over) j->step++;
    if (j->fate == FATE_RECIPE) {
        job_end(w, j, END_RECIPE);
    } else if (j->fate == FATE_FAIL && (j->step > 3 || over)) {
        job_end(w, j, END_FAILED);
    } else if (j->step >= j->steps) {
        if (j->canary)
            job_canary(c, w, j);
        else
            job_result(c, w, j);
    } else if (w->session != 0) {
        job_say(w, j);
        if (!j->canary && chance_one_in(c->chance, 4)) job_checkpoint(c, w, j);
    }
}

/* T6: it hands over what it has, waits to hear that it was seen, and hands the rest back. */
static inline void job_leave(struct crew *c, struct member *w, struct crew_job *j)
{
    if (j->leave_ns == 0) {
        j->leave_ns = c->now_ns + CHECKPOINT_LEAVE_NS;
        job_checkpoint(c, w, j);
    } else if (c->now_ns >= j->leave_ns) {
        member_back(w, &j->key, HAND_BACK_PREEMPTED);
        j->stage = STAGE_FREE;
    }
}

static inline bool job_is_leaving(const struct member *w, const struct crew_job *j)
{
    return w->draining && w->session != 0 && j->polite && !j->canary && j->step > 0 &&
           j->step < j->steps;
}

static inline void job_run(struct crew *c, struct member *w, struct crew_job *j)
{
    if (job_is_leaving(w, j)) {
        job_leave(c, w, j);
        return;
    }
    if (j->fate == FATE_HANG && j->step > 2) {
        bool late = c->now_ns - j->moved_ns > j->limit_ns * LEASE_KILL_PERCENT / 100;
        if (late && j->polite) job_end(w, j, END_HUNG);
        return;
    }
    if (c->now_ns < j->next_ns) return;
    if (j->fate == FATE_FELL)
        member_die(c, w);
    else
        job_step(c, w, j);
}

static inline void member_offer(struct member *w, struct crew_job *j)
{
    struct up *u = member_say(w, UP_OFFER, &j->key);
    u->matches = true;
    u->output_count = j->output_count;
    u->fingerprint = w->fingerprint;
    u->steps_computed = j->steps - j->resumed_step;
    memcpy(u->outputs, j->outputs, sizeof(u->outputs));
    j->offered_in = w->session;
}

static inline void member_work(struct crew *c, struct member *w)
{
    for (size_t i = 0; i < CREW_JOBS; i++) {
        struct crew_job *j = &w->jobs[i];
        if (j->stage == STAGE_RUNNING) job_run(c, w, j);
        if (j->stage == STAGE_NEXT && !w->draining && !member_slot_runs(w, j->slot)) {
            job_begin(c, w, j);
            (void)member_say(w, UP_STARTED, &j->key);
        }
        if (j->stage == STAGE_RESULT && w->session != 0 && j->offered_in != w->session)
            member_offer(w, j);
    }
}

static inline bool member_is_empty(const struct member *w)
{
    for (size_t i = 0; i < CREW_JOBS; i++) {
        if (w->jobs[i].stage != STAGE_FREE) return false;
    }
    return true;
}

static inline void member_beat(struct crew *c, struct member *w)
{
    if (c->now_ns < w->beat_ns) return;
    w->beat_ns = c->now_ns + CREW_BEAT_NS;
    member_list(w, member_say(w, UP_BEAT, NULL));
}

/* ---- lies ---- */

static inline void lie_with_offer(struct crew *c, struct member *w, const struct attempt_key *key)
{
    struct up *u = member_say(w, UP_OFFER, key);
    u->key.fence += chance_below(c->chance, 4);
    u->key.task.clip += chance_below(c->chance, 2);
    u->key.task.task += chance_below(c->chance, 2);
    u->fingerprint = chance_one_in(c->chance, 3) ? "h" : w->fingerprint;
    u->matches = !chance_one_in(c->chance, 4);
    u->output_count = chance_below(c->chance, 3);
    for (uint32_t i = 0; i < 2; i++) {
        u->outputs[i].sha256 = nature_output(&u->key, i, false);
        u->outputs[i].size_bytes = chance_below(c->chance, 3000);
    }
}

static inline void lie_about(struct crew *c, struct member *w, const struct attempt_key *key)
{
    static const enum up_kind kinds[] = {UP_BEAT,  UP_PROGRESS, UP_STARTED, UP_BACK,
                                         UP_ENDED, UP_OFFER,    UP_CHUNK,   UP_CHECKPOINT};
    enum up_kind kind = kinds[chance_below(c->chance, 8)];
    if (kind == UP_OFFER) {
        lie_with_offer(c, w, key);
        return;
    }
    struct up *u = member_say(w, kind, key);
    u->matches = chance_one_in(c->chance, 2);
    u->fingerprint = w->fingerprint;
    u->outputs[0] = (struct output){.kind = "checkpoint", .size_bytes = 100};
    u->outputs[0].frames = chance_below(c->chance, 12);
    u->last_message = w->last_message + chance_below(c->chance, 3);
    u->offset = chance_below(c->chance, 50);
    u->size_bytes = chance_below(c->chance, 5000);
    u->reason = (enum hand_back_reason)chance_below(c->chance, HAND_BACK_UNKNOWN + 1);
    u->end = chance_one_in(c->chance, 2) ? END_FAILED : END_CANCELED;
}

static inline void member_lie(struct crew *c, struct member *w)
{
    const struct attempt_key *own = &w->jobs[chance_below(c->chance, CREW_JOBS)].key;
    const struct attempt_key *about = chance_one_in(c->chance, 2) ? own : &c->gossip;
    if (about->task.batch[0] != '\0' && accident_hits(c->accidents, LIE, 5))
        lie_about(c, w, about); /* also of what it had once, or never */
}

/* ---- a moment of its life ---- */

static inline void member_leave(struct crew *c, struct member *w)
{
    (void)member_say(w, UP_LEAVING, NULL);
    w->leaving = true;
    w->draining = false;
    w->again_ns = c->now_ns + NS_PER_S;
}

/* Its last words were handed over: the process ends. */
static inline void member_exit(struct crew *c, struct member *w)
{
    if (w->ups.count > 0) return;
    w->leaving = false;
    member_die(c, w);
}

static inline void member_talk(struct crew *c, struct member *w)
{
    if (w->session == 0) {
        if (c->now_ns >= w->again_ns) member_hello(c, w);
        return;
    }
    member_beat(c, w);
    if (w->temper == LYING) member_lie(c, w);
    if (w->draining && member_is_empty(w)) member_leave(c, w);
}

static inline void member_act(struct crew *c, struct member *w)
{
    if (w->leaving) {
        member_exit(c, w);
        return;
    }
    if (!w->alive && c->now_ns >= w->again_ns) member_start(c, w);
    if (!w->alive) return;
    member_work(c, w);
    if (!w->connected) {
        w->ups.count = 0; /* said to nobody */
        if (c->now_ns >= w->again_ns) member_connect(c, w);
        return;
    }
    member_talk(c, w);
}

#endif

/* crew: workers as the simulation plays them. Each has a temper, a process that may die, an outbox
 * that survives it, and one connection whose messages arrive in order, late, or (those under way
 * when it breaks) not at all, or out of order and twice under the old session's name. */
#ifndef ZOE_TESTS_SIMULATION_CREW_H
#define ZOE_TESTS_SIMULATION_CREW_H

#include "simulation/accidents.h"
#include "simulation/ledger.h"
#include "simulation/nature.h"

#define CREW_JOBS 48
#define CREW_HELD 16
#define CREW_BEAT_NS (2 * NS_PER_S)

enum temper { HONEST, SLOW, CRASHING, HANGING, LYING, FAILING, CUT_OFF, TEMPER_COUNT };
enum fate { FATE_GOOD, FATE_BAD, FATE_FAIL, FATE_HANG, FATE_RECIPE, FATE_FELL };
enum stage { STAGE_FREE, STAGE_NEXT, STAGE_RUNNING, STAGE_RESULT };

enum up_kind {
    UP_HELLO,
    UP_BEAT,
    UP_PROGRESS,
    UP_STARTED,
    UP_BACK,
    UP_ENDED,
    UP_CANARY,
    UP_LEAVING,
    UP_OFFER,
    UP_CHECKPOINT,
    UP_CHUNK
};

struct up { /* worker -> coordinator */
    enum up_kind kind;
    uint64_t session;
    uint64_t link; /* of a Hello */
    struct attempt_key key;
    struct farm_held held[CREW_HELD];
    uint32_t held_count;
    uint64_t last_session, last_message;
    bool draining, matches, right, failed;
    enum hand_back_reason reason;
    enum attempt_end end;
    uint32_t output, output_count;
    uint64_t offset, size_bytes;
    uint32_t steps_computed;
    bool leaving; /* a checkpoint of who waits for it */
    const char *fingerprint;
    struct output outputs[2];
};

struct down {              /* coordinator -> worker */
    enum effect_kind kind; /* EFFECT_KIND_COUNT = WhoAreYou */
    struct effect_message m;
    struct digest checkpoint; /* that an Assign says to go on from */
};

struct queue {
    void *items;
    size_t count, capacity;
};

struct crew_job {
    enum stage stage;
    struct attempt_key key;
    bool canary;
    uint8_t model; /* a canary's own; 0 = `pattern` */
    uint32_t slot;
    uint32_t step, steps, resumed_step;
    int64_t next_ns, limit_ns, moved_ns;
    int64_t leave_ns; /* it waits until then for its last checkpoint to be seen; 0 = it does not */
    struct digest checkpoint; /* it goes on from, when resumed_step > 0 */
    enum fate fate;
    bool polite; /* kills its own engine when it hangs */
    uint32_t output_count;
    struct output outputs[2];
    uint64_t offered_in; /* session; 0 = not yet */
};

struct member {
    char name[32];
    char machine[32];
    enum temper temper;
    const char *fingerprint;
    uint32_t slots;
    bool alive, connected, draining, leaving;
    uint8_t boot[ID_BOOT_BYTES];
    int64_t deaf_ns, dumb_ns; /* until then nothing reaches it, nothing is heard of it */
    uint64_t link;            /* of its connection, never reused */
    uint64_t session;         /* 0 = not welcomed yet */
    uint64_t last_session, last_message;
    int64_t again_ns; /* restart, reconnect or next Hello */
    int64_t beat_ns;
    struct crew_job jobs[CREW_JOBS];
    struct queue ups, downs, limbo;
};

struct crew {
    struct chance *chance;
    struct accidents *accidents;
    int64_t now_ns;
    uint64_t last_link;
    struct attempt_key gossip; /* what some worker was given lately: liars speak of it */
};

/* ---- queues ---- */

static inline void *queue_add(struct queue *q, size_t size)
{
    if (q->count == q->capacity) {
        q->capacity = q->capacity == 0 ? 16 : 2 * q->capacity;
        q->items = xrealloc_array(q->items, q->capacity, size);
    }
    void *added = (char *)q->items + q->count++ * size;
    memset(added, 0, size);
    return added;
}

static inline void queue_take(struct queue *q, size_t index, size_t size, void *out)
{
    char *at = (char *)q->items + index * size;
    memcpy(out, at, size);
    memmove(at, at + size, (--q->count - index) * size);
}

static inline void member_finish(struct member *w)
{
    free(w->ups.items);
    free(w->downs.items);
    free(w->limbo.items);
}

/* ---- saying ---- */

static inline struct up *member_say(struct member *w, enum up_kind kind,
                                    const struct attempt_key *key)
{
    struct up *u = queue_add(&w->ups, sizeof(struct up));
    u->kind = kind;
    u->session = w->session;
    u->link = w->link;
    if (key != NULL) u->key = *key;
    return u;
}

static inline enum attempt_phase phase_of(const struct crew_job *j)
{
    if (j->stage == STAGE_NEXT) return PHASE_PREFETCHED;
    return j->stage == STAGE_RESULT ? PHASE_UPLOADING : PHASE_RENDERING;
}

static inline void member_list(const struct member *w, struct up *u)
{
    for (size_t i = 0; i < CREW_JOBS && u->held_count < CREW_HELD; i++) {
        const struct crew_job *j = &w->jobs[i];
        if (j->stage == STAGE_FREE) continue;
        u->held[u->held_count++] = (struct farm_held){.attempt = j->key,
                                                      .slot = j->slot,
                                                      .phase = phase_of(j),
                                                      .step = j->step,
                                                      .steps = j->steps};
    }
    u->draining = w->draining;
    u->last_session = w->last_session;
    u->last_message = w->last_message;
}

static inline void member_hello(struct crew *c, struct member *w)
{
    member_list(w, member_say(w, UP_HELLO, NULL));
    w->again_ns = c->now_ns + 5 * NS_PER_S;
}

static inline void member_back(struct member *w, const struct attempt_key *key,
                               enum hand_back_reason reason)
{
    member_say(w, UP_BACK, key)->reason = reason;
}

/* ---- connection and process ---- */

/* What was under way is lost, but for some that turn up later. */
static inline void member_cut(struct crew *c, struct member *w)
{
    struct up u;
    while (w->ups.count > 0) {
        queue_take(&w->ups, chance_below(c->chance, (uint32_t)w->ups.count), sizeof(u), &u);
        if (u.kind == UP_HELLO || !accident_hits(c->accidents, LATE_UP, 2)) continue;
        for (uint32_t copies = 1 + chance_below(c->chance, 2); copies > 0; copies--)
            *(struct up *)queue_add(&w->limbo, sizeof(u)) = u;
    }
    w->downs.count = 0;
    w->deaf_ns = w->dumb_ns = 0;
    w->connected = false;
    w->link = 0;
    w->session = 0;
    w->again_ns = c->now_ns + chance_between(c->chance, 0, 4 * NS_PER_S);
    if (chance_one_in(c->chance, 6)) w->again_ns += 30 * NS_PER_S;
}

/* The outbox is on disk; the rest dies with the process. */
static inline void member_die(struct crew *c, struct member *w)
{
    member_cut(c, w);
    for (size_t i = 0; i < CREW_JOBS; i++) {
        if (w->jobs[i].stage != STAGE_RESULT) w->jobs[i].stage = STAGE_FREE;
        w->jobs[i].offered_in = 0;
    }
    w->alive = false;
    w->draining = false;
    w->last_session = w->last_message = 0;
    w->again_ns = c->now_ns + chance_between(c->chance, NS_PER_S, 20 * NS_PER_S);
}

static inline void member_start(struct crew *c, struct member *w)
{
    for (size_t i = 0; i < ID_BOOT_BYTES; i++)
        w->boot[i] = (uint8_t)chance_below(c->chance, 256);
    w->alive = true;
}

/* Also while an older connection stands: what was said on that one comes late. */
static inline void member_connect(struct crew *c, struct member *w)
{
    if (w->connected) member_cut(c, w);
    w->connected = true;
    w->link = ++c->last_link;
    member_hello(c, w);
}

/* ---- what it holds ---- */

static inline struct crew_job *member_job(struct member *w, const struct attempt_key *key)
{
    for (size_t i = 0; i < CREW_JOBS; i++) {
        struct crew_job *j = &w->jobs[i];
        if (j->stage != STAGE_FREE && j->key.fence == key->fence &&
            ledger_same_key(&j->key.task, &key->task))
            return j;
    }
    return NULL;
}

static inline bool member_slot_runs(const struct member *w, uint32_t slot)
{
    for (size_t i = 0; i < CREW_JOBS; i++) {
        if (w->jobs[i].stage == STAGE_RUNNING && w->jobs[i].slot == slot) return true;
    }
    return false;
}

static inline enum fate fate_of(struct crew *c, const struct member *w, const struct attempt_key *k)
{
    struct accidents *all = c->accidents;
    if (nature_is_nonsense(&k->task)) return FATE_RECIPE;
    if (nature_kills(&k->task)) return FATE_FAIL;
    if (nature_fells(&k->task) && accident_hits(all, TASK_FELLS, 1)) return FATE_FELL;
    if (w->temper == HANGING && accident_hits(all, ENGINE_HANGS, 3)) return FATE_HANG;
    if (w->temper == LYING && accident_hits(all, WRONG_FRAMES, 2)) return FATE_BAD;
    return accident_hits(all, ENGINE_EXITS, w->temper == FAILING ? 3 : 40) ? FATE_FAIL : FATE_GOOD;
}

static inline void job_say(struct member *w, const struct crew_job *j)
{
    if (w->session == 0 || (j->canary && j->model == 0)) return;
    struct up *u = member_say(w, UP_PROGRESS, &j->key);
    u->offset = j->step;
    u->size_bytes = j->steps;
}

static inline void job_begin(struct crew *c, struct member *w, struct crew_job *j)
{
    j->stage = STAGE_RUNNING;
    j->step = j->resumed_step;
    j->moved_ns = c->now_ns;
    j->next_ns = c->now_ns + chance_between(c->chance, NS_PER_S / 20, NS_PER_S);
    job_say(w, j);
}

static inline void job_resume(struct crew_job *j, const struct down *d)
{
    if (!d->m.resume || d->checkpoint.bytes[NATURE_STEP] == 0) return; /* it is not there */
    j->resumed_step = d->checkpoint.bytes[NATURE_STEP];
    j->checkpoint = d->checkpoint;
    if (d->checkpoint.bytes[NATURE_POISON] != 0) j->fate = FATE_FAIL;
}

static inline void member_take(struct crew *c, struct member *w, const struct down *d)
{
    const struct effect_message *m = &d->m;
    struct crew_job *j = member_job(w, &m->attempt);
    if (!m->canary && chance_one_in(c->chance, 3)) c->gossip = m->attempt;
    if (j != NULL) return; /* sent again: it has it */
    for (size_t i = 0; i < CREW_JOBS && j == NULL; i++) {
        if (w->jobs[i].stage == STAGE_FREE) j = &w->jobs[i];
    }
    if (j == NULL || (w->draining && !m->canary)) {
        member_back(w, &m->attempt, j == NULL ? HAND_BACK_DISK : HAND_BACK_DRAINING);
        return;
    }
    uint8_t model = m->canary ? m->model.bytes[0] : 0;
    bool is_work = !m->canary || model != 0;
    bool may_refuse = is_work && w->temper != HONEST; /* a refusal is never forgotten */
    if (may_refuse && accident_hits(c->accidents, REFUSAL, 60)) {
        member_back(w, &m->attempt, HAND_BACK_MEMORY);
        return;
    }
    *j = (struct crew_job){.stage = STAGE_NEXT,
                           .key = m->attempt,
                           .canary = m->canary,
                           .model = model,
                           .slot = m->slot,
                           .limit_ns = m->limit_ns,
                           .polite = chance_one_in(c->chance, 2)};
    j->fate = m->canary ? FATE_GOOD : fate_of(c, w, &m->attempt);
    j->steps = m->canary ? NATURE_STEPS : nature_steps(&m->attempt.task);
    job_resume(j, d);
    if (!member_slot_runs(w, m->slot)) job_begin(c, w, j);
}

/* ---- hearing ---- */

static inline void hear_recall(struct member *w, const struct attempt_key *key)
{
    struct crew_job *j = member_job(w, key);
    if (j == NULL) return;
    if (j->stage == STAGE_RUNNING) (void)member_say(w, UP_STARTED, key);
    if (j->stage != STAGE_NEXT) return;
    j->stage = STAGE_FREE;
    member_back(w, key, HAND_BACK_RECALLED);
}

static inline void hear_drain(struct member *w)
{
    w->draining = true;
    for (size_t i = 0; i < CREW_JOBS; i++) {
        if (w->jobs[i].stage != STAGE_NEXT) continue;
        w->jobs[i].stage = STAGE_FREE;
        member_back(w, &w->jobs[i].key, HAND_BACK_DRAINING);
    }
}

/* The bytes in two chunks, as often as not. */
static inline void hear_credit(struct crew *c, struct member *w, const struct effect_message *m)
{
    uint64_t done = 0;
    while (done < m->size_bytes && member_job(w, &m->attempt) != NULL) {
        uint64_t size = m->size_bytes - done;
        if (size > 1 && done == 0 && chance_one_in(c->chance, 2)) size /= 2;
        struct up *u = member_say(w, UP_CHUNK, &m->attempt);
        u->output = m->output;
        u->offset = m->offset + done;
        u->size_bytes = size;
        done += size;
    }
}

static inline void hear_seen(struct member *w, const struct attempt_key *key)
{
    struct crew_job *j = member_job(w, key);
    if (j != NULL && j->leave_ns > 0) j->leave_ns = 1; /* it need not wait any more */
}

static inline void member_forget(struct member *w, const struct attempt_key *key)
{
    struct crew_job *j = member_job(w, key);
    if (j != NULL) j->stage = STAGE_FREE;
}

static inline void member_welcome(struct crew *c, struct member *w, uint64_t session)
{
    w->session = w->last_session = session;
    w->last_message = 0;
    w->beat_ns = c->now_ns;
}

static inline void member_hear(struct crew *c, struct member *w, const struct down *d)
{
    const struct effect_message *m = &d->m;
    if (d->kind == EFFECT_WELCOME) member_welcome(c, w, m->session);
    if (d->kind == EFFECT_KIND_COUNT) { /* WhoAreYou */
        w->session = 0;
        member_hello(c, w);
    }
    if (m->session != w->session || w->session == 0) return;
    if (m->number > w->last_message) w->last_message = m->number;
    if (d->kind == EFFECT_CLOSE_SESSION) member_cut(c, w);
    if (d->kind == EFFECT_ASSIGN) member_take(c, w, d);
    if (d->kind == EFFECT_RECALL) hear_recall(w, &m->attempt);
    if (d->kind == EFFECT_DRAIN) hear_drain(w);
    if (d->kind == EFFECT_CHECKPOINT_SEEN) hear_seen(w, &m->attempt);
    if (d->kind == EFFECT_CREDIT) hear_credit(c, w, m);
    if (d->kind == EFFECT_CANCEL || d->kind == EFFECT_STORED || d->kind == EFFECT_DROPPED)
        member_forget(w, &m->attempt);
}

#endif

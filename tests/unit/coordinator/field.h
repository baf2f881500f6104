/* field: a farm on a table for the unit tests of the core. Makes a farm, adds batches and workers,
 * lets things happen, and after every event asks farm_check and after every turn whether the store
 * (a ledger of write effects) says what memory says.
 *
 *     struct field *s = field_new();
 *     struct hand *w = field_worker(s, "w1", 1);      said hello, rendered its canary right
 *     field_batch(s, "b000000001", 3);
 *     field_turn(s);
 *     struct attempt_key key = field_assigned(s, w);
 *     field_publish(s, w, &key);
 *     field_end(s);
 *
 * What the core wanted done is noted until field_forget. Time moves by field_run (heard workers are
 * heard each second, turns come when they are due) or field_silence (nobody is heard). */
#ifndef ZOE_TESTS_UNIT_COORDINATOR_FIELD_H
#define ZOE_TESTS_UNIT_COORDINATOR_FIELD_H

#include "ground.h"
#include "simulation/reload.h"

#define FIELD_NOTES 4096
#define FIELD_HANDS 32
#define FIELD_START_NS (INT64_C(1000) * NS_PER_S)

struct note { /* an effect, with texts of its own */
    struct effect e;
    char worker[LEDGER_TEXT];
    char text[LEDGER_TEXT];  /* of a message or an event */
    char event[LEDGER_TEXT]; /* its kind */
};

struct hand { /* a worker as the tests play it */
    char name[LEDGER_TEXT];
    char machine[LEDGER_TEXT];
    uint8_t boot;
    uint32_t slots;
    const char *fingerprint; /* of every slot */
    uint64_t session;        /* 0 = not connected; not heard */
};

struct field {
    struct farm *f;
    struct farm_config config;
    struct ledger store;
    int64_t now_ns;
    const char *owner; /* of the next batches; NULL = "me" */
    uint64_t sequence;
    struct hand hands[FIELD_HANDS];
    uint32_t hand_count;
    struct note notes[FIELD_NOTES];
    size_t note_count;
};

/* ---- life ---- */

static inline struct field *field_new(void)
{
    struct field *s = xcalloc(1, sizeof(*s));
    s->config = (struct farm_config){.seed = 1, .first_session = 100, .canary_answer = {{7}}};
    s->now_ns = FIELD_START_NS;
    s->f = farm_new(&s->config);
    return s;
}

static inline void field_end(struct field *s)
{
    ledger_finish(&s->store);
    farm_free(s->f);
    free(s);
}

/* ---- what the core wanted ---- */

static inline void field_note(struct field *s, const struct effect *e)
{
    assert_true(s->note_count < FIELD_NOTES);
    struct note *n = &s->notes[s->note_count++];
    *n = (struct note){.e = *e};
    if (effect_is_message(e->kind)) {
        (void)ledger_text(n->worker, e->message.worker);
        (void)ledger_text(n->text, e->message.text);
    }
    if (effect_is_job(e->kind)) (void)ledger_text(n->worker, e->job.worker);
    if (e->kind != EFFECT_EVENT) return;
    (void)ledger_text(n->event, e->event.kind);
    (void)ledger_text(n->text, e->event.message);
    (void)ledger_text(n->worker, e->event.worker);
}

static inline void field_forget(struct field *s)
{
    s->note_count = 0;
}

static inline size_t field_count(const struct field *s, enum effect_kind kind)
{
    size_t count = 0;
    for (size_t i = 0; i < s->note_count; i++)
        count += s->notes[i].e.kind == kind;
    return count;
}

/* The last of its kind, for this worker (NULL = any); NULL: none. */
static inline const struct note *field_find(const struct field *s, enum effect_kind kind,
                                            const char *worker)
{
    for (size_t i = s->note_count; i-- > 0;) {
        const struct note *n = &s->notes[i];
        if (n->e.kind == kind && (worker == NULL || strcmp(n->worker, worker) == 0)) return n;
    }
    return NULL;
}

static inline const struct note *field_last(const struct field *s, enum effect_kind kind)
{
    const struct note *n = field_find(s, kind, NULL);
    if (n == NULL) fail_msg("the core never wanted %s", effect_name(kind));
    return n;
}

static inline size_t field_events(const struct field *s, const char *kind)
{
    size_t count = 0;
    for (size_t i = 0; i < s->note_count; i++)
        count += s->notes[i].e.kind == EFFECT_EVENT && strcmp(s->notes[i].event, kind) == 0;
    return count;
}

/* ---- turns and time ---- */

static inline void field_check(struct field *s)
{
    struct error err = {0};
    if (!farm_check(s->f, s->now_ns, &err)) fail_msg("%s", err.message);
}

static inline void field_turn_with(struct field *s, bool sockets_were_empty)
{
    struct error err = {0};
    farm_turn(s->f, s->now_ns, sockets_were_empty);
    field_check(s);
    const struct effects *list = farm_effects(s->f);
    for (size_t i = 0; i < list->count; i++)
        field_note(s, &list->items[i]);
    ledger_commit(&s->store, s->f);
    effects_clear(farm_effects(s->f));
    if (!reload_same(s->f, &s->store, s->now_ns, &err)) fail_msg("%s", err.message);
}

static inline void field_turn(struct field *s)
{
    field_turn_with(s, true);
}

static inline int64_t field_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Turns come when they are due, until `by_ns` from now. */
static inline void field_pass(struct field *s, int64_t by_ns, bool hear)
{
    int64_t until = s->now_ns + by_ns;
    field_turn(s);
    while (s->now_ns < until) {
        int64_t due = field_least(farm_next_deadline(s->f), until);
        if (hear) due = field_least(due, s->now_ns + NS_PER_S);
        if (due > s->now_ns) s->now_ns = due;
        for (uint32_t i = 0; hear && i < s->hand_count; i++)
            (void)farm_heard(s->f, s->hands[i].session, s->now_ns);
        field_turn(s);
    }
}

static inline void field_run(struct field *s, int64_t by_ns)
{
    field_pass(s, by_ns, true);
}

static inline void field_silence(struct field *s, int64_t by_ns)
{
    field_pass(s, by_ns, false);
}

/* The coordinator is killed and starts again from what was committed. */
static inline void field_restart(struct field *s)
{
    struct error err = {0};
    farm_free(s->f);
    s->config.first_session += 1000;
    for (uint32_t i = 0; i < s->hand_count; i++)
        s->hands[i].session = 0;
    s->f = reload_farm(&s->store, &s->config, s->now_ns, &err);
    if (s->f == NULL) fail_msg("%s", err.message);
    field_forget(s);
    field_check(s);
    field_turn(s);
}

/* ---- batches ---- */

static inline struct shape field_shape(uint8_t model)
{
    return (struct shape){.model = {{model}},
                          .model_name = "shapes",
                          .width = 64,
                          .height = 64,
                          .frames = 8,
                          .steps = 10,
                          .fps = 8};
}

static inline void field_batch_with(struct field *s, const char *id, uint32_t clips,
                                    int32_t priority, struct shape shape)
{
    struct error err = {0};
    struct clip_run run = {0};
    struct batch_spec spec = {.name = "test",
                              .owner = s->owner != NULL ? s->owner : "me",
                              .priority = priority,
                              .sequence = ++s->sequence,
                              .prompts = clips,
                              .clips = clips,
                              .shapes = &shape,
                              .groups = 1,
                              .runs = &run,
                              .run_count = 1};
    (void)snprintf(spec.id, sizeof(spec.id), "%s", id);
    if (!farm_batch_add(s->f, &spec, &err)) fail_msg("%s", err.message);
    ledger_accept(&s->store, &spec);
    field_check(s);
}

static inline void field_batch_of(struct field *s, const char *id, uint32_t clips, int32_t priority,
                                  uint8_t model)
{
    field_batch_with(s, id, clips, priority, field_shape(model));
}

static inline void field_batch(struct field *s, const char *id, uint32_t clips)
{
    field_batch_of(s, id, clips, 0, 1);
}

static inline enum batch_state field_state(const struct field *s, const char *id)
{
    struct batch_info info;
    assert_true(farm_batch_info(s->f, id, &info));
    return info.state;
}

/* ---- workers ---- */

static inline struct hand *field_hand(struct field *s, const char *name, uint32_t slots)
{
    assert_true(s->hand_count < FIELD_HANDS);
    struct hand *w = &s->hands[s->hand_count++];
    *w = (struct hand){.boot = (uint8_t)s->hand_count, .slots = slots, .fingerprint = "f"};
    (void)ledger_text(w->name, name);
    (void)snprintf(w->machine, sizeof(w->machine), "machine-of-%.64s", name);
    return w;
}

static inline struct farm_hello field_hello_of(const struct hand *w, const struct farm_slot *slots)
{
    struct farm_hello hello = {.worker = w->name,
                               .machine_id = w->machine,
                               .host = "host",
                               .build = "test",
                               .slots = slots,
                               .slot_count = w->slots};
    memset(hello.boot_id, w->boot, sizeof(hello.boot_id));
    return hello;
}

static inline bool field_greet(struct field *s, struct hand *w, const struct farm_held *held,
                               uint32_t held_count, struct error *err)
{
    struct farm_slot slots[LIMIT_SLOTS + 1];
    for (size_t i = 0; i <= LIMIT_SLOTS; i++)
        slots[i] = (struct farm_slot){.backend = "cpu", .fingerprint = w->fingerprint};
    struct farm_hello hello = field_hello_of(w, slots);
    hello.held = held;
    hello.held_count = held_count;
    bool ok = farm_hello(s->f, &hello, s->now_ns, &w->session, err);
    field_check(s);
    return ok;
}

static inline void field_hello(struct field *s, struct hand *w, const struct farm_held *held,
                               uint32_t held_count)
{
    struct error err = {0};
    if (!field_greet(s, w, held, held_count, &err)) fail_msg("%s", err.message);
}

/* The canary that is out comes back. */
static inline void field_canary(struct field *s, const struct hand *w, bool right)
{
    field_turn(s);
    for (size_t i = s->note_count; i-- > 0;) {
        const struct note *n = &s->notes[i];
        if (n->e.kind != EFFECT_ASSIGN || !n->e.message.canary || strcmp(n->worker, w->name) != 0)
            continue;
        struct digest frames = s->config.canary_answer;
        if (!right) frames.bytes[1]++;
        farm_canary_done(s->f, w->session, n->e.message.attempt.fence, &frames, "", s->now_ns);
        field_check(s);
        field_turn(s);
        return;
    }
    fail_msg("worker %s has no canary", w->name);
}

/* One that may work. */
static inline struct hand *field_worker(struct field *s, const char *name, uint32_t slots)
{
    struct hand *w = field_hand(s, name, slots);
    field_hello(s, w, NULL, 0);
    field_canary(s, w, true);
    return w;
}

static inline enum worker_state field_worker_state(const struct field *s, const struct hand *w)
{
    struct worker_info info;
    assert_true(farm_worker_info(s->f, w->name, s->now_ns, &info));
    return info.state;
}

static inline bool field_has_assign(const struct field *s, const struct hand *w)
{
    const struct note *n = field_find(s, EFFECT_ASSIGN, w->name);
    return n != NULL && !n->e.message.canary;
}

/* What it was given last. */
static inline struct attempt_key field_assigned(const struct field *s, const struct hand *w)
{
    const struct note *n = field_find(s, EFFECT_ASSIGN, w->name);
    if (n == NULL || n->e.message.canary) fail_msg("worker %s has no work", w->name);
    return n->e.message.attempt;
}

static inline void field_progress(struct field *s, const struct hand *w,
                                  const struct attempt_key *key, uint32_t step)
{
    struct farm_held at = {
        .attempt = *key, .phase = PHASE_RENDERING, .step = step, .steps = 10, .amount = 0};
    farm_progress(s->f, w->session, &at, s->now_ns);
    field_check(s);
}

/* It says how its attempt ended; then comes a turn. */
static inline void field_fails(struct field *s, const struct hand *w, const struct attempt_key *key,
                               enum attempt_end end)
{
    struct farm_ended ended = {
        .attempt = *key, .end = end, .message = "it broke", .log_tail = "log"};
    farm_ended(s->f, w->session, &ended, s->now_ns);
    field_check(s);
    field_turn(s);
}

static inline void field_hand_back(struct field *s, const struct hand *w,
                                   const struct attempt_key *key, enum hand_back_reason reason)
{
    farm_handed_back(s->f, w->session, key, reason, "not now", s->now_ns);
    field_check(s);
    field_turn(s);
}

/* ---- results ---- */

static inline struct farm_offer field_offer_of(const struct attempt_key *key, uint64_t size_bytes)
{
    struct farm_offer offer = {.attempt = *key,
                               .matches = true,
                               .fingerprint = "f",
                               .output_count = 1,
                               .steps_computed = 10,
                               .render_ms = 1000};
    offer.outputs[0] = (struct output){.kind = "segment", .size_bytes = size_bytes};
    offer.outputs[0].sha256.bytes[0] = (uint8_t)key->fence;
    return offer;
}

static inline void field_offer(struct field *s, const struct hand *w, const struct attempt_key *key,
                               uint64_t size_bytes)
{
    struct farm_offer offer = field_offer_of(key, size_bytes);
    offer.given_to = ledger_given_to(&s->store, key);
    farm_offer(s->f, w->session, &offer, s->now_ns);
    field_check(s);
    field_turn(s);
}

/* Everything that credit allows arrives, until all is here. */
static inline void field_upload(struct field *s, const struct hand *w,
                                const struct attempt_key *key)
{
    uint64_t from, end;
    while (farm_upload_window(s->f, w->session, key, 0, &from, &end) && end > from) {
        assert_true(farm_received(s->f, w->session, key, 0, end, s->now_ns));
        field_check(s);
        field_turn(s);
    }
    farm_uploaded(s->f, w->name, key, true, s->now_ns);
    field_check(s);
    field_turn(s);
}

static inline void field_verdict(struct field *s, const struct hand *w,
                                 const struct attempt_key *key, enum verdict_kind kind)
{
    struct farm_verdict verdict = {.kind = kind, .message = "the check says so"};
    farm_verdict(s->f, w->name, key, &verdict, s->now_ns);
    field_check(s);
    field_turn(s);
}

/* A small result is offered, uploaded and found sound. */
static inline void field_store(struct field *s, const struct hand *w, const struct attempt_key *key)
{
    field_offer(s, w, key, 1000);
    field_upload(s, w, key);
    field_verdict(s, w, key, VERDICT_SOUND);
}

static inline struct farm_video field_video(void)
{
    return (struct farm_video){{{9}}, 500, 50, "00000_x_s0.mp4"};
}

static inline void field_publish(struct field *s, const struct hand *w,
                                 const struct attempt_key *key)
{
    struct farm_video video = field_video();
    field_store(s, w, key);
    farm_clip_stitched(s->f, key->task.batch, key->task.clip, &video, s->now_ns);
    field_check(s);
    field_turn(s);
    farm_clip_renamed(s->f, key->task.batch, key->task.clip, &video, s->now_ns);
    field_check(s);
    field_turn(s);
}

#endif

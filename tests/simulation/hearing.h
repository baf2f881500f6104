/* hearing: what workers say reaches the core, as the shell of a simulated farm passes it on. */
#ifndef ZOE_TESTS_SIMULATION_HEARING_H
#define ZOE_TESTS_SIMULATION_HEARING_H

#include "coordinator/farm_canary.h"
#include "simulation/post.h"

static inline void who_are_you(struct member *m)
{
    struct down *d = queue_add(&m->downs, sizeof(*d));
    d->kind = EFFECT_KIND_COUNT;
}

static inline const char *told_print(const struct world *w, const char *fingerprint)
{
    return w->mutation == MUTATION_ONE_PRINT ? "f" : fingerprint;
}

static inline void hear_hello(struct world *w, struct member *m, const struct up *u)
{
    struct farm_slot slots[4];
    for (size_t i = 0; i < 4; i++)
        slots[i] =
            (struct farm_slot){.backend = "cpu", .fingerprint = told_print(w, m->fingerprint)};
    struct farm_hello hello = {.worker = m->name,
                               .machine_id = m->machine,
                               .host = m->machine,
                               .build = "sim",
                               .slots = slots,
                               .slot_count = m->slots,
                               .held = u->held,
                               .held_count = u->held_count,
                               .last_session = u->last_session,
                               .last_message = u->last_message,
                               .draining = u->draining};
    struct route *route = &w->routes[world_index(w, m->name)];
    memcpy(hello.boot_id, m->boot, ID_BOOT_BYTES);
    if (u->link != m->link) return;
    if (farm_hello(w->f, &hello, w->now_ns, &route->session, NULL)) route->link = u->link;
}

/* Another machine that was given the same key. */
static inline void twin_says_hello(struct world *w, const struct member *m)
{
    struct farm_slot slot = {.backend = "cpu", .fingerprint = "f"};
    struct farm_hello hello = {.worker = m->name,
                               .machine_id = "twin",
                               .host = "twin",
                               .build = "sim",
                               .slots = &slot,
                               .slot_count = 1};
    struct route *route = &w->routes[world_index(w, m->name)];
    hello.boot_id[0] = 77;
    if (farm_hello(w->f, &hello, w->now_ns, &route->session, NULL)) route->link = 0;
}

static inline void hear_offer(struct world *w, const struct member *m, const struct up *u)
{
    struct farm_offer offer = {.attempt = u->key,
                               .matches = u->matches,
                               .fingerprint = told_print(w, u->fingerprint),
                               .output_count = u->output_count,
                               .steps_computed = u->steps_computed};
    struct task_record row;
    struct ledger_task *stored = ledger_task(&w->store, &u->key.task);
    struct temp *t = world_temp_for(w, m->name, u);
    t->offered = *u;
    if (farm_offer_wants_row(w->f, &u->key.task) && stored != NULL) {
        row = ledger_task_row(stored);
        offer.row = &row;
    }
    if (farm_offer_is_foreign(w->f, u->session, &u->key))
        offer.given_to = ledger_given_to(&w->store, &u->key);
    for (uint32_t i = 0; i < u->output_count; i++) {
        offer.outputs[i] = u->outputs[i];
        offer.received[i] = t->received[i];
    }
    farm_offer(w->f, u->session, &offer, w->now_ns);
    if (u->output_count > 0) world_hash_if_complete(w, t);
}

static inline bool was_answered(const struct effects *list, size_t before)
{
    for (size_t i = before; i < list->count; i++) {
        enum effect_kind kind = list->items[i].kind;
        if (kind == EFFECT_CHECKPOINT_SEEN || kind == EFFECT_DISCARD_CHECKPOINT) return true;
    }
    return false;
}

static inline void hear_checkpoint(struct world *w, const struct member *m, const struct up *said)
{
    struct up u = *said;
    u.output_count = 1;
    struct temp *t = world_temp_for(w, m->name, &u);
    struct farm_checkpoint checkpoint = {.attempt = u.key,
                                         .matches = u.matches,
                                         .fingerprint = told_print(w, u.fingerprint),
                                         .step = u.outputs[0].frames,
                                         .output = u.outputs[0],
                                         .received = t->received[0],
                                         .leaving = u.leaving};
    size_t before = farm_effects(w->f)->count;
    farm_checkpoint(w->f, u.session, &checkpoint, w->now_ns);
    if (!was_answered(farm_effects(w->f), before) && farm_has_checkpoint(w->f, m->name, &u.key))
        world_hash_if_complete(w, t);
}

static inline void hear_chunk(struct world *w, const struct member *m, const struct up *u)
{
    uint64_t from, end, chunk_end = u->offset + u->size_bytes;
    bool is_checkpoint = u->output == CHECKPOINT_OUTPUT;
    uint32_t index = is_checkpoint ? 0 : u->output;
    struct temp *t = world_temp(w, m->name, &u->key, is_checkpoint);
    if (t == NULL || index >= t->output_count) return;
    if (!farm_upload_window(w->f, u->session, &u->key, u->output, &from, &end)) return;
    if (u->offset > from || chunk_end <= from || chunk_end > end) return;
    if (accident(w, UPLOAD_WRITE_FAILS, 60)) return; /* nothing of it stays */
    t->received[index] = chunk_end;
    (void)farm_received(w->f, u->session, &u->key, u->output, chunk_end, w->now_ns);
    world_hash_if_complete(w, t);
}

static inline void hear_beat(struct world *w, const struct up *u)
{
    struct farm_heartbeat beat = {.last_message = u->last_message,
                                  .held = u->held,
                                  .held_count = u->held_count,
                                  .draining = u->draining};
    farm_heartbeat(w->f, u->session, &beat, w->now_ns);
}

static inline void hear_progress(struct world *w, const struct up *u)
{
    struct farm_held at = {.attempt = u->key,
                           .phase = PHASE_RENDERING,
                           .step = (uint32_t)u->offset,
                           .steps = (uint32_t)u->size_bytes};
    farm_progress(w->f, u->session, &at, w->now_ns);
}

static inline void tell_canaries(struct world *w)
{
    for (size_t i = 0; i < NATURE_MODELS; i++)
        farm_model_canary(w->f, &(struct digest){{nature_models[i]}}, "a model");
}

/* No two that lie say the same. */
static inline void hear_model_canary(struct world *w, const struct member *m, const struct up *u,
                                     const struct canary_out *out)
{
    uint8_t model = out->model.bytes[0];
    struct digest frames = nature_canary(model, out->fingerprint);
    if (!u->right) frames.bytes[3] = (uint8_t)(1 + world_index(w, m->name));
    struct farm_model_frame frame = {.number = u->key.fence,
                                     .frames_sha256 = u->failed ? NULL : &frames,
                                     .message = "it failed",
                                     .said = CANARY_UNKNOWN};
    if (model == NATURE_MODEL) frame.said = u->right && !u->failed ? CANARY_RIGHT : CANARY_WRONG;
    farm_model_canary_done(w->f, u->session, &frame, w->now_ns);
}

static inline void hear_canary(struct world *w, const struct member *m, const struct up *u)
{
    struct canary_out out;
    if (farm_canary_out(w->f, u->session, u->key.fence, &out)) {
        hear_model_canary(w, m, u, &out);
        return;
    }
    struct digest frames = w->config.canary_answer;
    frames.bytes[1] ^= u->right ? 0 : 1;
    farm_canary_done(w->f, u->session, u->key.fence, &frames, "", w->now_ns);
}

static inline void hear_ended(struct world *w, const struct up *u)
{
    struct farm_ended ended = {
        .attempt = u->key, .end = u->end, .message = "so it was", .steps_computed = 3};
    farm_ended(w->f, u->session, &ended, w->now_ns);
}

static inline void world_hear(struct world *w, struct member *m, const struct up *u)
{
    const char *owner = farm_session_worker(w->f, u->session);
    bool current = owner != NULL && strcmp(owner, m->name) == 0;
    if (u->kind == UP_HELLO) hear_hello(w, m, u);
    if (u->kind != UP_HELLO && !current && u->session == m->session && m->connected) who_are_you(m);
    if (u->kind != UP_HELLO && !current) return;
    if (u->kind == UP_BEAT) hear_beat(w, u);
    if (u->kind == UP_PROGRESS) hear_progress(w, u);
    if (u->kind == UP_STARTED) farm_started(w->f, u->session, &u->key, w->now_ns);
    if (u->kind == UP_BACK)
        farm_handed_back(w->f, u->session, &u->key, u->reason, "not now", w->now_ns);
    if (u->kind == UP_ENDED) hear_ended(w, u);
    if (u->kind == UP_CANARY) hear_canary(w, m, u);
    if (u->kind == UP_LEAVING) farm_leaving(w->f, u->session, "bye", true, w->now_ns);
    if (u->kind == UP_OFFER) hear_offer(w, m, u);
    if (u->kind == UP_CHECKPOINT) hear_checkpoint(w, m, u);
    if (u->kind == UP_CHUNK) hear_chunk(w, m, u);
}

/* ---- the way of messages ---- */

/* The next message of a queue: now and then it is the one behind it, or none, or it stays for a
 * second time. `kinds` are those of this direction. */
enum luck { LUCK_LOST, LUCK_DOUBLED, LUCK_OVERTAKES, LUCK_COUNT };
static const enum accident_kind luck_up[] = {UP_LOST, UP_DOUBLED, UP_OVERTAKES};
static const enum accident_kind luck_down[] = {DOWN_LOST, DOWN_DOUBLED, DOWN_OVERTAKES};

static inline bool next_message(struct world *w, struct queue *q, size_t size, void *out,
                                const enum accident_kind kinds[LUCK_COUNT])
{
    bool overtakes = q->count > 1 && accident(w, kinds[LUCK_OVERTAKES], 300);
    queue_take(q, overtakes ? 1 : 0, size, out);
    if (accident(w, kinds[LUCK_LOST], 500)) return false;
    if (accident(w, kinds[LUCK_DOUBLED], 300)) memcpy(queue_add(q, size), out, size);
    return true;
}

static inline bool goes_on(const struct world *w)
{
    return w->dying == LIVING && !world_is_red(w);
}

static inline void deliver_ups(struct world *w, struct member *m)
{
    struct up u;
    while (m->ups.count > 0 && goes_on(w) && !accident(w, UPS_DELAYED, 40)) {
        if (!next_message(w, &m->ups, sizeof(u), &u, luck_up)) continue;
        world_hear(w, m, &u);
        world_check(w);
    }
    while (m->limbo.count > 0 && goes_on(w) && chance_one_in(&w->chance, 2)) {
        queue_take(&m->limbo, chance_below(&w->chance, (uint32_t)m->limbo.count), sizeof(u), &u);
        world_hear(w, m, &u);
        world_check(w);
    }
}

static inline void deliver_downs(struct world *w, struct member *m)
{
    struct down d;
    while (m->downs.count > 0 && m->connected && !accident(w, DOWNS_DELAYED, 40)) {
        if (next_message(w, &m->downs, sizeof(d), &d, luck_down)) member_hear(&w->crew, m, &d);
    }
}

/* Messages arrive in order, and some moments none does. */
static inline void world_deliver(struct world *w, struct member *m)
{
    bool late = accident(w, UPS_DELAYED, 6);
    if (!late && w->now_ns >= m->dumb_ns) deliver_ups(w, m);
    if (!late && w->now_ns >= m->deaf_ns) deliver_downs(w, m);
}

#endif

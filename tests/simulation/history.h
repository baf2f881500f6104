/* history: one seed's life of a farm: accidents for a while, then calm, until everything is over.
 * After every event farm_check and the checker look at it. */
#ifndef ZOE_TESTS_SIMULATION_HISTORY_H
#define ZOE_TESTS_SIMULATION_HISTORY_H

#include "simulation/hearing.h"

#define HISTORY_STORMY_STEPS 900
#define HISTORY_CALM_STEPS 20000
#define HISTORY_BATCHES 8
#define HISTORY_GIB (UINT64_C(1) << 30)

/* ---- the coordinator's starts and ends ---- */

static inline void tell_disk(struct world *w)
{
    bool said = w->disk_low && w->mutation != MUTATION_DEAF_DISK;
    w->checker.disk_is_low = w->disk_low;
    farm_disk(w->f, said ? 0 : 500 * HISTORY_GIB, 1000 * HISTORY_GIB);
    world_check(w);
}

static inline void use_old_store(struct world *w)
{
    if (w->mutation != MUTATION_OLD_STORE || w->commits < 2 * WORLD_COPY_COMMITS) return;
    if (w->old.batch_count == 0) return;
    ledger_finish(&w->store);
    w->store = w->old;
    w->old = (struct ledger){0};
}

/* Memory is what the database says. */
static inline void world_reload(struct world *w)
{
    farm_free(w->f);
    w->kills++;
    w->works.count = 0;
    w->fresh.clips = 0;
    w->config.first_session += 1000000;
    memset(w->routes, 0, sizeof(w->routes));
    use_old_store(w);
    w->f = reload_farm(&w->store, &w->config, w->now_ns, &w->red);
    if (w->f == NULL) {
        w->f = farm_new(&w->config);
        return;
    }
    world_check(w);
    tell_disk(w);
}

static inline void world_kill(struct world *w)
{
    for (uint32_t i = 0; i < w->member_count; i++)
        member_cut(&w->crew, &w->members[i]);
    world_reload(w);
}

/* ---- turns ---- */

static inline void send_then_commit(struct world *w)
{
    world_send(w);
    if (chance_one_in(&w->chance, 50)) {
        world_kill(w);
        return;
    }
    world_commit(w);
    effects_clear(farm_effects(w->f));
}

static inline void world_turn(struct world *w)
{
    farm_wall(w->f, w->now_ns / NS_PER_MS);
    farm_turn(w->f, w->now_ns, w->calm || !chance_one_in(&w->chance, 5));
    world_check(w);
    if (w->mutation == MUTATION_SEND_FIRST) {
        send_then_commit(w);
    } else if (accident(w, 300)) {
        world_kill(w); /* before the commit */
    } else if (accident(w, 300)) {
        world_reload(w); /* the commit fails: the process goes on with what is stored */
    } else {
        world_commit(w);
        if (accident(w, 300)) {
            world_kill(w); /* after the commit, before anything is sent */
            return;
        }
        world_send(w);
        effects_clear(farm_effects(w->f));
    }
}

/* ---- people ---- */

static inline void name_batch(char id[ID_BATCH_SIZE], uint32_t sequence)
{
    (void)snprintf(id, ID_BATCH_SIZE, "b00000000%u", (unsigned)(sequence % 10));
}

static inline struct shape shape_of(const char *batch, uint32_t clip)
{
    struct task_key key = {.clip = clip};
    memcpy(key.batch, batch, sizeof(key.batch));
    struct shape shape = {.model = {{(uint8_t)(1 + clip)}},
                          .width = 64,
                          .height = 64,
                          .steps = NATURE_STEPS,
                          .fps = 8,
                          .plan = nature_plan(&key)};
    shape.frames = shape.plan.frames;
    if (plan_stages(&shape.plan) == 1) return shape;
    shape.second_model = (struct digest){{9}};
    shape.second_width = shape.second_height = 128;
    shape.second_steps = shape.plan.upscale_steps;
    return shape;
}

static inline void submit(struct world *w)
{
    struct chance *c = &w->chance;
    struct batch_spec *spec = &w->fresh;
    if (w->sequence >= HISTORY_BATCHES || spec->clips > 0 || w->disk_low) return;
    *spec = (struct batch_spec){.name = "sim",
                                .owner = "me",
                                .priority = (int32_t)chance_below(c, 5) - 2,
                                .sequence = ++w->sequence,
                                .shapes = w->fresh_shapes,
                                .groups = 2,
                                .runs = w->fresh_runs,
                                .run_count = 3};
    name_batch(spec->id, (uint32_t)spec->sequence);
    for (uint32_t i = 0; i < 2; i++) {
        w->fresh_shapes[i] = shape_of(spec->id, i == 0 ? 0 : NATURE_LONG_FIRST);
        w->fresh_runs[2 * i] = (struct clip_run){i == 0 ? 0 : NATURE_LONG_END, 0};
    }
    w->fresh_runs[1] = (struct clip_run){NATURE_LONG_FIRST, 1};
    spec->clips = NATURE_LONG_END + 1 + chance_below(c, 20);
    if (!farm_batch_add(w->f, spec, &w->red)) return;
}

static inline const char *some_batch(struct world *w)
{
    static char id[ID_BATCH_SIZE];
    name_batch(id, 1 + chance_below(&w->chance, (uint32_t)w->sequence + 1));
    return id;
}

static inline void people_act(struct world *w)
{
    struct error why = {0};
    const char *id = some_batch(w);
    switch (chance_below(&w->chance, 9)) {
    case 0:
        (void)farm_batch_pause(w->f, id, &why);
        break;
    case 1:
    case 2:
    case 3:
        (void)farm_batch_resume(w->f, id, &why);
        break;
    case 4:
        if (chance_one_in(&w->chance, 4)) (void)farm_batch_cancel(w->f, id, w->now_ns, &why);
        break;
    case 5:
        (void)farm_batch_retry(w->f, id, &why);
        break;
    case 6:
        if (chance_one_in(&w->chance, 4)) (void)farm_batch_remove(w->f, id, &why);
        break;
    default:
        submit(w);
        break;
    }
    world_check(w);
}

static inline void resume_all(struct world *w)
{
    struct batch_info info;
    for (uint64_t i = 0; farm_batch_at(w->f, i, &info); i++) {
        char id[ID_BATCH_SIZE];
        memcpy(id, info.id, sizeof(id));
        if (info.state == BATCH_PAUSED) (void)farm_batch_resume(w->f, id, NULL);
    }
    world_check(w);
}

/* ---- accidents ---- */

static inline void befall(struct world *w, struct member *m)
{
    if (m->connected && accident(w, m->temper == CUT_OFF ? 40 : 300)) member_cut(&w->crew, m);
    if (m->alive && accident(w, m->temper == CRASHING ? 60 : 600)) member_die(&w->crew, m);
    if (accident(w, 800)) (void)farm_drain(w->f, m->name, 0, "me", w->now_ns, NULL);
    if (accident(w, 1500)) farm_revoke(w->f, m->name, w->now_ns);
    if (accident(w, 400)) twin_says_hello(w, m);
    world_check(w);
}

/* A file that was stored is found to be gone. */
static inline void lose_file(struct world *w)
{
    if (w->store.output_count == 0) return;
    const struct ledger_output *o =
        &w->store.outputs[chance_below(&w->chance, (uint32_t)w->store.output_count)];
    struct task_key key = o->task;
    bool is_checkpoint = o->index == CHECKPOINT_OUTPUT;
    if (!is_checkpoint) checker_task(&w->checker, &key)->missing = true;
    farm_output_missing(w->f, &key, is_checkpoint, w->now_ns);
    world_check(w);
}

static inline void weather(struct world *w)
{
    if (accident(w, 150)) lose_file(w);
    if (accident(w, w->disk_low ? 15 : 250)) {
        w->disk_low = !w->disk_low;
        tell_disk(w);
    }
    if (accident(w, 300)) w->now_ns += chance_between(&w->chance, 5 * NS_PER_S, 600 * NS_PER_S);
    if (accident(w, 20)) people_act(w);
}

static inline void be_calm(struct world *w)
{
    w->calm = true;
    if (w->disk_low) {
        w->disk_low = false;
        tell_disk(w);
    }
    resume_all(w);
}

/* ---- I6 ---- */

static inline bool clip_waits(struct world *w)
{
    struct batch_info info;
    for (uint64_t i = 0; farm_batch_at(w->f, i, &info); i++) {
        if (info.state != BATCH_QUEUED && info.state != BATCH_RUNNING) continue;
        if (info.counts.by_state[CLIP_WAITING] > 0) return true;
    }
    return false;
}

/* In calm weather no fresh clip waits for ten seconds while the honest worker has nothing. */
static inline void check_idleness_from_outside(struct world *w)
{
    const struct member *m = &w->members[0];
    struct worker_info info;
    bool idle = m->session != 0 && !m->draining && member_is_empty(m) && clip_waits(w) &&
                farm_worker_info(w->f, m->name, w->now_ns, &info) && info.state == WORKER_IDLE;
    if (!w->calm || !idle) {
        w->idle_ns = 0;
        return;
    }
    if (w->idle_ns == 0) w->idle_ns = w->now_ns;
    if (w->now_ns - w->idle_ns > 10 * NS_PER_S)
        error_set(&w->red, ERROR_INTERNAL, "I6: clips wait and %s is idle", m->name);
}

/* ---- a history ---- */

static inline void world_step(struct world *w)
{
    w->now_ns += chance_between(&w->chance, NS_PER_S / 50, NS_PER_S / 2);
    w->crew.now_ns = w->now_ns;
    weather(w);
    for (uint32_t i = 0; i < w->member_count && !world_is_red(w); i++) {
        befall(w, &w->members[i]);
        member_act(&w->crew, &w->members[i]);
        world_deliver(w, &w->members[i]);
    }
    world_do_works(w);
    if (!world_is_red(w)) world_turn(w);
    if (!world_is_red(w)) check_idleness_from_outside(w);
}

static inline void world_populate(struct world *w)
{
    w->member_count = 1 + chance_below(&w->chance, WORLD_WORKERS);
    for (uint32_t i = 0; i < w->member_count; i++) {
        struct member *m = &w->members[i];
        (void)snprintf(m->name, sizeof(m->name), "w%u", (unsigned)i);
        (void)snprintf(m->machine, sizeof(m->machine), "m%u", (unsigned)i);
        m->temper = i == 0 ? HONEST : (enum temper)chance_below(&w->chance, TEMPER_COUNT);
        m->slots = 1 + chance_below(&w->chance, 3);
        m->fingerprint = i > 0 && chance_one_in(&w->chance, 3) ? "g" : "f";
    }
}

static inline struct world *world_new(uint64_t seed, enum mutation mutation)
{
    struct world *w = xcalloc(1, sizeof(*w));
    chance_seed(&w->chance, seed);
    w->mutation = mutation;
    w->config = (struct farm_config){.seed = seed, .first_session = 1, .canary_answer = {{42}}};
    w->f = farm_new(&w->config);
    w->now_ns = 1000 * NS_PER_S;
    w->crew = (struct crew){.chance = &w->chance, .now_ns = w->now_ns};
    world_populate(w);
    submit(w);
    return w;
}

static inline void world_free(struct world *w)
{
    for (uint32_t i = 0; i < WORLD_WORKERS; i++)
        member_finish(&w->members[i]);
    farm_free(w->f);
    ledger_finish(&w->store);
    ledger_finish(&w->old);
    checker_finish(&w->checker);
    free(w->works.items);
    free(w->temps);
    free(w->files);
    free(w);
}

/* Every batch ends, and a start from the store finds the same. */
static inline void world_end(struct world *w)
{
    if (!farm_is_idle(w->f)) {
        error_set(&w->red, ERROR_INTERNAL, "B3: the farm never came to an end");
        return;
    }
    checker_see_end_of_history(&w->checker, w->f);
    world_reload(w);
    if (!world_is_red(w)) (void)reload_same(w->f, &w->store, w->now_ns, &w->red);
}

static inline void world_live(struct world *w)
{
    for (int i = 0; i < HISTORY_STORMY_STEPS && !world_is_red(w); i++)
        world_step(w);
    if (!world_is_red(w)) be_calm(w);
    for (int i = 0; i < HISTORY_CALM_STEPS && !world_is_red(w); i++) {
        world_step(w);
        if (farm_is_idle(w->f) && w->fresh.clips == 0) break;
    }
    if (!world_is_red(w)) world_end(w);
}

static inline const char *world_why(const struct world *w)
{
    return checker_is_red(&w->checker) ? w->checker.red.message : w->red.message;
}

#endif

/* history: one seed's life of a farm: accidents for a while, then calm, until everything is over.
 * After every event farm_check and the checker look at it. */
#ifndef ZOE_TESTS_SIMULATION_HISTORY_H
#define ZOE_TESTS_SIMULATION_HISTORY_H

#include "simulation/people.h"

#define HISTORY_STORMY_STEPS 900
#define HISTORY_CALM_STEPS 20000
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
    w->dying = LIVING;
    w->works.count = 0;
    w->fresh.clips = 0;
    w->config.first_session += 1000000;
    memset(w->routes, 0, sizeof(w->routes));
    use_old_store(w);
    disk_sweep(&w->disk, &w->store, true);
    if (!world_is_red(w)) (void)disk_check(&w->disk, &w->store, &w->red);
    checker_see_start(&w->checker);
    w->f = reload_farm(&w->store, &w->config, w->now_ns, &w->red);
    if (w->f == NULL) {
        w->f = farm_new(&w->config);
        return;
    }
    tell_canaries(w);
    world_check(w);
    tell_disk(w);
}

static inline bool is_claimed(const struct world *w, const struct temp *t)
{
    for (size_t i = 0; i < w->store.attempt_count && !t->is_checkpoint; i++) {
        const struct ledger_attempt *a = &w->store.attempts[i];
        bool same = a->end == END_LIVE && a->row.worker_fence == t->key.fence &&
                    ledger_same_key(&a->row.task, &t->key.task);
        if (same && strcmp(a->worker, t->worker) == 0) return true;
    }
    return false;
}

/* What a start removes; a failed commit leaves all of it. */
static inline void tidy_temps(struct world *w)
{
    for (size_t i = 0; i < w->temp_count; i++)
        if (!is_claimed(w, &w->temps[i])) w->temps[i].worker[0] = '\0';
}

static inline void world_kill(struct world *w)
{
    for (uint32_t i = 0; i < w->member_count; i++)
        member_cut(&w->crew, &w->members[i]);
    world_reload(w);
    tidy_temps(w);
}

/* What was not synced may be gone: uploads under way, videos that were not announced. */
static inline void cut_files(struct world *w, struct chance *how)
{
    for (size_t i = 0; i < w->temp_count; i++) {
        for (int k = 0; k < 2 && w->temps[i].received[k] > 0; k++)
            w->temps[i].received[k] =
                (uint64_t)chance_between(how, 0, (int64_t)w->temps[i].received[k] + 1);
    }
    for (size_t i = 0; i < w->file_count; i++) {
        struct video_file *file = &w->files[i];
        if (file->key.batch[0] == '\0') continue;
        bool is_damaged = !file->content_synced && chance_one_in(how, 2);
        bool returns = file->is_final && !file->name_synced && chance_one_in(how, 2);
        if (is_damaged && file->is_final) checker_see_damage(&w->checker, &file->key);
        if (returns) checker_see_no_file(&w->checker, &file->key);
        if (returns) file->is_final = false;
        if (is_damaged) file->key.batch[0] = '\0';
        file->content_synced = true;
        file->name_synced = file->is_final;
    }
}

static inline void world_cut_power(struct world *w)
{
    struct chance how = w->accidents.how;
    cut_files(w, &how);
    disk_cut(&w->disk, &how);
    world_kill(w);
}

/* Kills it when its time has come. */
static inline bool world_dies(struct world *w)
{
    if (w->dying == LIVING || world_is_red(w)) return false;
    if (w->dying == DYING)
        world_kill(w);
    else
        world_cut_power(w);
    return true;
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

static inline bool store_fails(struct world *w)
{
    bool is_full = accident(w, COMMIT_IS_FULL, 500);
    return accident(w, COMMIT_IO_ERROR, 500) || is_full;
}

/* D2: nothing is sent, the process goes on with what is stored, and for a while takes nothing. */
static inline void commit_failed(struct world *w)
{
    w->store_down_ns = w->now_ns + chance_between(&w->accidents.how, 0, 20 * NS_PER_S);
    world_half_commit(w);
    if (w->mutation != MUTATION_DEAF_COMMIT) {
        world_reload(w);
        return;
    }
    world_send(w);
    effects_clear(farm_effects(w->f));
}

static inline void finish_turn(struct world *w)
{
    if (accident(w, DIES_AFTER_COMMIT, 300)) {
        world_kill(w); /* before anything is sent */
        return;
    }
    world_send(w);
    if (world_dies(w)) return;
    effects_clear(farm_effects(w->f));
    if (!accident(w, POWER_CUT, 300)) return;
    w->dying = DYING_IN_THE_DARK;
    (void)world_dies(w);
}

static inline void world_turn(struct world *w)
{
    farm_wall(w->f, w->now_ns / NS_PER_MS + w->wall_ms);
    farm_turn(w->f, w->now_ns, w->accidents.calm || !chance_one_in(&w->chance, 5));
    world_check(w);
    unlink_first(w);
    if (w->mutation == MUTATION_SEND_FIRST) {
        send_then_commit(w);
    } else if (accident(w, DIES_BEFORE_COMMIT, 300)) {
        world_kill(w);
    } else if (accident(w, DIES_IN_COMMIT, 300)) {
        world_half_commit(w);
        world_kill(w);
    } else if (store_fails(w)) {
        commit_failed(w);
    } else {
        world_commit(w);
        finish_turn(w);
    }
}

/* ---- accidents ---- */

static inline void befall_link(struct world *w, struct member *m)
{
    struct chance *how = &w->accidents.how;
    if (!m->connected) return;
    if (accident(w, LINK_BREAKS, m->temper == CUT_OFF ? 40 : 300)) member_cut(&w->crew, m);
    if (m->connected && accident(w, SESSION_REPLACED, 400)) member_connect(&w->crew, m);
    if (accident(w, PARTITION, 600))
        m->deaf_ns = m->dumb_ns = w->now_ns + chance_between(how, NS_PER_S, 60 * NS_PER_S);
    if (accident(w, PARTITION_UP, 600))
        m->dumb_ns = w->now_ns + chance_between(how, NS_PER_S, 60 * NS_PER_S);
    if (accident(w, PARTITION_DOWN, 600))
        m->deaf_ns = w->now_ns + chance_between(how, NS_PER_S, 60 * NS_PER_S);
}

static inline bool is_quarantined(struct world *w, const struct member *m)
{
    struct worker_info info;
    return farm_worker_info(w->f, m->name, w->now_ns, &info) && info.state == WORKER_QUARANTINED;
}

static inline void befall(struct world *w, struct member *m)
{
    befall_link(w, m);
    if (m->alive && accident(w, WORKER_DIES, m->temper == CRASHING ? 60 : 600))
        member_die(&w->crew, m);
    if (accident(w, DRAIN, 800)) (void)farm_drain(w->f, m->name, 0, "me", w->now_ns, NULL);
    if (accident(w, REVOKED, 1500)) farm_revoke(w->f, m->name, w->now_ns);
    if (accident(w, QUARANTINED, 800))
        (void)farm_quarantine(w->f, m->name, "odd", "me", w->now_ns, NULL);
    if (is_quarantined(w, m) && accident(w, READMITTED, 100))
        (void)farm_readmit(w->f, m->name, "me", NULL);
    if (accident(w, TWIN, 400)) twin_says_hello(w, m);
    world_check(w);
}

/* Many are cut off at once, and come back together. */
static inline void befall_many(struct world *w)
{
    int64_t until_ns = w->now_ns + chance_between(&w->accidents.how, NS_PER_S, 60 * NS_PER_S);
    for (uint32_t i = 0; i < w->member_count; i++) {
        struct member *m = &w->members[i];
        if (m->connected && !chance_one_in(&w->accidents.how, 3))
            m->deaf_ns = m->dumb_ns = until_ns;
    }
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

static inline void change_clocks(struct world *w)
{
    struct chance *how = &w->accidents.how;
    if (accident(w, CLOCK_JUMPS, 300))
        w->now_ns += chance_between(how, 5 * NS_PER_S, 600 * NS_PER_S);
    if (accident(w, WALL_AHEAD, 300)) w->wall_ms += chance_between(how, 1, 7200000);
    if (accident(w, WALL_BACK, 300)) w->wall_ms -= chance_between(how, 1, 7200000);
}

static inline void weather(struct world *w)
{
    if (accident(w, FILE_LOST, 150)) lose_file(w);
    if (w->disk_low ? accident(w, DISK_FREE, 15) : accident(w, DISK_FULL, 250)) {
        w->disk_low = !w->disk_low;
        tell_disk(w);
    }
    change_clocks(w);
    if (accident(w, PARTITION_MANY, 500)) befall_many(w);
    if (accident(w, PEOPLE, 20)) people_act(w);
}

static inline void be_calm(struct world *w)
{
    w->accidents.calm = true;
    if (w->disk_low) {
        w->disk_low = false;
        tell_disk(w);
    }
    resume_all(w);
    for (uint32_t i = 0; i < w->member_count; i++)
        (void)farm_readmit(w->f, w->members[i].name, "me", NULL);
    world_check(w);
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
    if (!w->accidents.calm || !idle) {
        w->idle_ns = 0;
        return;
    }
    if (w->idle_ns == 0) w->idle_ns = w->now_ns;
    if (w->now_ns - w->idle_ns > 10 * NS_PER_S)
        error_set(&w->red, ERROR_INTERNAL, "I6: clips wait and %s is idle", m->name);
}

/* ---- a history ---- */

/* Each step has chances of its own: what an accident changed in one does not change all others. */
static inline void begin_step(struct world *w)
{
    accidents_step(&w->accidents);
    chance_seed(&w->chance, w->accidents.seed * UINT64_C(0xd1342543de82ef95) + w->accidents.step);
}

static inline void world_step(struct world *w)
{
    begin_step(w);
    w->now_ns += chance_between(&w->chance, NS_PER_S / 50, NS_PER_S / 2);
    w->crew.now_ns = w->now_ns;
    bool answers = w->now_ns >= w->store_down_ns; /* else it takes nothing in */
    if (answers) weather(w);
    for (uint32_t i = 0; i < w->member_count && goes_on(w); i++) {
        if (answers) befall(w, &w->members[i]);
        member_act(&w->crew, &w->members[i]);
        if (answers) world_deliver(w, &w->members[i]);
    }
    if (!answers) return;
    if (goes_on(w)) world_do_works(w);
    if (world_dies(w)) return;
    if (goes_on(w)) world_turn(w);
    if (goes_on(w)) check_idleness_from_outside(w);
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

/* `only`: NULL, or the accidents that may happen; it outlives the world. */
static inline struct world *world_new(uint64_t seed, enum mutation mutation,
                                      const struct accident_list *only)
{
    struct world *w = xcalloc(1, sizeof(*w));
    chance_seed(&w->chance, seed);
    w->mutation = mutation;
    w->config = (struct farm_config){.seed = seed,
                                     .first_session = 1,
                                     .canary_answer = {{42}},
                                     .compare_one_in = (uint32_t)(seed % 4)};
    w->f = farm_new(&w->config);
    tell_canaries(w);
    w->now_ns = WORLD_START_NS;
    w->accidents = (struct accidents){.seed = seed, .only = only};
    w->crew = (struct crew){.chance = &w->chance, .accidents = &w->accidents, .now_ns = w->now_ns};
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
    accident_list_finish(&w->accidents.hits);
    free(w->disk.files);
    free(w->works.items);
    free(w->temps);
    free(w->files);
    free(w);
}

/* Nobody would remove it before the next start. */
static inline void check_temps(struct world *w)
{
    for (size_t i = 0; i < w->temp_count; i++) {
        const struct temp *t = &w->temps[i];
        if (t->worker[0] == '\0' || t->is_checkpoint || t->received[0] == 0) continue;
        error_set(&w->red, ERROR_INTERNAL, "A1: bytes of %s/%u.%u were left", t->key.task.batch,
                  (unsigned)t->key.task.clip, (unsigned)t->key.task.task);
    }
}

/* Every batch ends, and a start from the store finds the same. */
static inline void world_end(struct world *w)
{
    if (!farm_is_idle(w->f)) {
        error_set(&w->red, ERROR_INTERNAL, "B3: the farm never came to an end");
        return;
    }
    checker_see_end_of_history(&w->checker, w->f);
    check_temps(w);
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

/* world: the shell around the core in a simulated history: connections, uploads, media children, a
 * disk, a database that is a ledger of writes, and a coordinator that is killed at will. It keeps
 * the contract of effect.h (commit, then send, then clear), unless it is told to break it: each
 * mutation is a shell with one fault that the checker must see. */
#ifndef ZOE_TESTS_SIMULATION_WORLD_H
#define ZOE_TESTS_SIMULATION_WORLD_H

#include "base/clock.h"
#include "simulation/checker.h"
#include "simulation/labour.h"
#include "simulation/reload.h"

#define WORLD_WORKERS 6

enum mutation {
    MUTATION_NONE,
    MUTATION_SEND_FIRST,   /* sends before it commits, and dies between the two */
    MUTATION_LOSE_LEASES,  /* does not write SAVE_ATTEMPT */
    MUTATION_LOSE_ENDS,    /* does not write END_ATTEMPT */
    MUTATION_LOSE_PAGES,   /* does not write SAVE_PAGE */
    MUTATION_OLD_STORE,    /* starts from an older database as if it were the same */
    MUTATION_BLIND,        /* finds every output sound */
    MUTATION_TWICE,        /* commits a turn's effects twice */
    MUTATION_RENAME_FIRST, /* gives the final name before publishing is committed */
    MUTATION_ACK_FIRST,    /* tells the worker Stored as soon as its bytes are in */
    MUTATION_DEAF_DISK,    /* does not tell the core that the disk is low */
    MUTATION_COUNT
};

enum work_kind { WORK_HASH, WORK_VERIFY, WORK_STITCH, WORK_RENAME };

struct work { /* of a child or a pool thread */
    enum work_kind kind;
    int64_t due_ns;
    struct effect_job job;
    char worker[CHECKER_NAME];
};

struct temp { /* an upload's temporary files */
    char worker[CHECKER_NAME];
    struct attempt_key key;
    uint32_t output_count;
    struct output outputs[2];
    uint64_t received[2];
};

struct video_file {
    struct task_key key;
    struct digest sha256;
    bool is_final;
};

struct route { /* where messages of a session go */
    uint64_t session;
    uint64_t link;
};

struct world {
    struct chance chance;
    enum mutation mutation;
    struct farm *f;
    struct farm_config config;
    struct ledger store;
    struct ledger old; /* MUTATION_OLD_STORE: what a copy made some time ago says */
    struct checker checker;
    struct error red; /* of farm_check and of store against memory */
    struct crew crew;
    struct member members[WORLD_WORKERS];
    struct route routes[WORLD_WORKERS];
    uint32_t member_count;
    int64_t now_ns;
    int64_t idle_ns; /* since when the honest worker has had nothing to do; 0 = it has */
    bool calm;       /* no more accidents */
    bool disk_low;
    struct queue works;
    struct temp *temps;
    size_t temp_count;
    struct video_file *files;
    size_t file_count;
    uint64_t sequence;
    struct batch_spec fresh; /* accepted in this turn, when fresh.clips > 0 */
    struct shape fresh_shapes[2];
    struct clip_run fresh_runs[3];
    uint64_t commits, kills, sends;
    uint64_t trace; /* of everything that was committed */
};

static inline bool world_is_red(const struct world *w)
{
    return w->red.code != ERROR_NONE || checker_is_red(&w->checker);
}

/* After every event. */
static inline void world_check(struct world *w)
{
    if (world_is_red(w)) return;
    (void)farm_check(w->f, w->now_ns, &w->red);
}

/* ---- uploads ---- */

static inline bool same_attempt(const struct attempt_key *a, const struct attempt_key *b)
{
    return a->fence == b->fence && ledger_same_key(&a->task, &b->task);
}

static inline struct temp *world_temp(const struct world *w, const char *worker,
                                      const struct attempt_key *key)
{
    for (size_t i = 0; i < w->temp_count; i++) {
        struct temp *t = &w->temps[i];
        if (strcmp(t->worker, worker) == 0 && same_attempt(&t->key, key)) return t;
    }
    return NULL;
}

static inline void world_discard(struct world *w, const char *worker, const struct attempt_key *key)
{
    struct temp *t = world_temp(w, worker, key);
    if (t != NULL) t->worker[0] = '\0';
}

static inline bool same_outputs_of(const struct temp *t, const struct up *u)
{
    return t->output_count == u->output_count &&
           memcmp(t->outputs, u->outputs, sizeof(t->outputs)) == 0;
}

static inline struct temp *world_temp_for(struct world *w, const char *worker, const struct up *u)
{
    struct temp *t = world_temp(w, worker, &u->key);
    if (t != NULL && same_outputs_of(t, u)) return t;
    for (size_t i = 0; i < w->temp_count && t == NULL; i++) {
        if (w->temps[i].worker[0] == '\0') t = &w->temps[i];
    }
    if (t == NULL) {
        w->temps = ledger_grow(w->temps, &w->temp_count, sizeof(*w->temps));
        t = &w->temps[w->temp_count - 1];
    }
    *t = (struct temp){.key = u->key, .output_count = u->output_count};
    (void)snprintf(t->worker, sizeof(t->worker), "%s", worker);
    memcpy(t->outputs, u->outputs, sizeof(t->outputs));
    return t;
}

/* ---- work ---- */

static inline void world_begin(struct world *w, enum work_kind kind, const struct effect_job *job)
{
    const struct work *running = w->works.items;
    for (size_t i = 0; i < w->works.count; i++) {
        bool same = running[i].kind == kind && running[i].job.worker_fence == job->worker_fence &&
                    ledger_same_key(&running[i].job.task, &job->task);
        if (same && (job->worker == NULL || strcmp(running[i].worker, job->worker) == 0)) return;
    }
    struct work *added = queue_add(&w->works, sizeof(struct work));
    added->kind = kind;
    added->job = *job;
    added->due_ns = w->now_ns + chance_between(&w->chance, 0, 2 * NS_PER_S);
    (void)snprintf(added->worker, sizeof(added->worker), "%s",
                   job->worker != NULL ? job->worker : "");
}

static inline void world_hash_if_complete(struct world *w, const struct temp *t)
{
    for (uint32_t i = 0; i < t->output_count; i++) {
        if (t->received[i] < t->outputs[i].size_bytes) return;
    }
    struct effect_job job = {.task = t->key.task, .worker_fence = t->key.fence};
    job.worker = t->worker;
    world_begin(w, WORK_HASH, &job);
}

static inline void hashed(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct temp *t = world_temp(w, k->worker, &key);
    if (t == NULL) return;
    bool right = w->calm || !chance_one_in(&w->chance, 20);
    if (!right) memset(t->received, 0, sizeof(t->received));
    if (w->mutation == MUTATION_ACK_FIRST) {
        struct effect_message stored = {.worker = k->worker, .attempt = key};
        checker_see_message(&w->checker, EFFECT_STORED, &stored);
    }
    farm_uploaded(w->f, k->worker, &key, right, w->now_ns);
}

static inline enum verdict_kind verdict_on(struct world *w, const struct effect_job *job)
{
    if (!w->calm && chance_one_in(&w->chance, 15)) return VERDICT_CHILD_DIED;
    if (!w->calm && chance_one_in(&w->chance, 15)) return VERDICT_DEFERRED;
    for (uint32_t i = 0; i < job->output_count; i++) {
        if (!job->outputs[i].sha256.bytes[NATURE_GOOD] && w->mutation != MUTATION_BLIND)
            return VERDICT_REJECTED;
    }
    return VERDICT_SOUND;
}

static inline void verified(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct farm_verdict verdict = {.kind = verdict_on(w, &k->job), .message = "as seen"};
    if (k->job.outputs[0].sha256.bytes[NATURE_SUSPECT]) verdict.suspect = SUSPECT_STILL;
    farm_verdict(w->f, k->worker, &key, &verdict, w->now_ns);
}

static inline struct video_file *world_file(struct world *w, const struct task_key *key)
{
    for (size_t i = 0; i < w->file_count; i++) {
        if (ledger_same_key(&w->files[i].key, key)) return &w->files[i];
    }
    return NULL;
}

static inline void world_make_file(struct world *w, const struct task_key *key,
                                   const struct digest *sha256)
{
    struct video_file *file = world_file(w, key);
    if (file == NULL) {
        w->files = ledger_grow(w->files, &w->file_count, sizeof(*w->files));
        file = &w->files[w->file_count - 1];
    }
    *file = (struct video_file){*key, *sha256, false};
}

static inline void world_stitch_failed(struct world *w, const struct task_key *key,
                                       enum stitch_failure failure)
{
    if (failure == STITCH_MISSING) checker_clip(&w->checker, key->batch, key->clip)->missing = true;
    farm_stitch_failed(w->f, key->batch, key->clip, failure, NULL, 0, "as it went", w->now_ns);
}

static inline struct farm_video video_of(const struct digest *sha256)
{
    return (struct farm_video){*sha256, 500, 50, "video.mp4"};
}

static inline void stitched(struct world *w, const struct work *k)
{
    static const enum stitch_failure bad_luck[] = {STITCH_FULL, STITCH_FULL, STITCH_DIED,
                                                   STITCH_MISSING};
    const struct task_key *key = &k->job.task;
    const struct ledger_output *segment = NULL;
    for (size_t i = 0; i < w->store.output_count && segment == NULL; i++) {
        if (ledger_same_key(&w->store.outputs[i].task, key)) segment = &w->store.outputs[i];
    }
    if (segment == NULL || (!w->calm && chance_one_in(&w->chance, 12))) {
        world_stitch_failed(w, key, bad_luck[chance_below(&w->chance, 4)]);
        return;
    }
    struct farm_video video = video_of(&(struct digest){{0}});
    video.sha256 = nature_video(&segment->output.sha256);
    world_make_file(w, key, &video.sha256);
    if (w->mutation == MUTATION_RENAME_FIRST) checker_see_file(&w->checker, key, &video.sha256);
    farm_clip_stitched(w->f, key->batch, key->clip, &video, w->now_ns);
}

static inline void renamed(struct world *w, const struct work *k)
{
    const struct task_key *key = &k->job.task;
    struct video_file *file = world_file(w, key);
    bool vanished = !w->calm && file != NULL && !file->is_final && chance_one_in(&w->chance, 25);
    if (file == NULL || vanished) {
        if (file != NULL) file->key.batch[0] = '\0';
        world_stitch_failed(w, key, STITCH_AGAIN);
        return;
    }
    if (!file->is_final) checker_see_file(&w->checker, key, &file->sha256);
    file->is_final = true;
    struct farm_video video = video_of(&file->sha256);
    farm_clip_renamed(w->f, key->batch, key->clip, &video, w->now_ns);
}

static inline void world_do_works(struct world *w)
{
    static void (*const done[])(struct world *, const struct work *) = {
        [WORK_HASH] = hashed,
        [WORK_VERIFY] = verified,
        [WORK_STITCH] = stitched,
        [WORK_RENAME] = renamed,
    };
    for (size_t i = 0; i < w->works.count;) {
        struct work k = ((const struct work *)w->works.items)[i];
        if (k.due_ns > w->now_ns) {
            i++;
            continue;
        }
        queue_take(&w->works, i, sizeof(k), &k);
        k.job.worker = k.worker;
        done[k.kind](w, &k);
        world_check(w);
    }
}

/* ---- sending ---- */

static inline uint32_t world_index(const struct world *w, const char *worker)
{
    for (uint32_t i = 0; i < w->member_count; i++) {
        if (strcmp(w->members[i].name, worker) == 0) return i;
    }
    return 0;
}

static inline void send_message(struct world *w, const struct effect *e)
{
    uint32_t i = world_index(w, e->message.worker);
    struct member *to = &w->members[i];
    const struct attempt_key *key = &e->message.attempt;
    checker_see_message(&w->checker, e->kind, &e->message);
    w->sends++;
    if (e->kind == EFFECT_STORED) world_discard(w, to->name, key);
    bool open = to->connected && w->routes[i].session == e->message.session;
    if (!open || w->routes[i].link != to->link) return; /* nobody is there */
    struct down *d = queue_add(&to->downs, sizeof(*d));
    d->kind = e->kind;
    d->m = e->message;
    d->m.worker = d->m.text = NULL;
}

static inline void start_job(struct world *w, const struct effect *e)
{
    struct attempt_key key = {.task = e->job.task, .fence = e->job.worker_fence};
    checker_see_job(&w->checker, e->kind, &e->job);
    if (e->kind == EFFECT_VERIFY) world_begin(w, WORK_VERIFY, &e->job);
    if (e->kind == EFFECT_STITCH) world_begin(w, WORK_STITCH, &e->job);
    if (e->kind == EFFECT_RENAME) world_begin(w, WORK_RENAME, &e->job);
    if (e->kind == EFFECT_DISCARD_UPLOAD) world_discard(w, e->job.worker, &key);
}

static inline void world_send(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count; i++) {
        if (effect_is_message(list->items[i].kind)) send_message(w, &list->items[i]);
        if (effect_is_job(list->items[i].kind)) start_job(w, &list->items[i]);
    }
    checker_see_all_sent(&w->checker);
}

/* ---- committing ---- */

static inline bool is_lost(const struct world *w, enum effect_kind kind)
{
    return (w->mutation == MUTATION_LOSE_LEASES && kind == EFFECT_SAVE_ATTEMPT) ||
           (w->mutation == MUTATION_LOSE_ENDS && kind == EFFECT_END_ATTEMPT) ||
           (w->mutation == MUTATION_LOSE_PAGES && kind == EFFECT_SAVE_PAGE);
}

#define WORLD_COPY_COMMITS 150 /* then the copy is made */

static inline bool world_keeps_copy(const struct world *w)
{
    return w->mutation == MUTATION_OLD_STORE && w->commits < WORLD_COPY_COMMITS;
}

static inline void world_write(struct world *w)
{
    const struct effects *list = farm_effects(w->f);
    for (size_t i = 0; i < list->count; i++) {
        const struct effect *e = &list->items[i];
        if (!effect_is_write(e->kind) || is_lost(w, e->kind)) continue;
        checker_see_write(&w->checker, w->f, e);
        ledger_write(&w->store, w->f, e);
        if (world_keeps_copy(w)) ledger_write(&w->old, w->f, e);
        w->trace = (w->trace ^ (uint64_t)e->kind) * UINT64_C(0x100000001b3);
    }
}

static inline void world_commit(struct world *w)
{
    w->checker.commits++;
    if (w->fresh.clips > 0) {
        ledger_accept(&w->store, &w->fresh);
        if (world_keeps_copy(w)) ledger_accept(&w->old, &w->fresh);
        checker_accepted(&w->checker, &w->fresh);
        w->fresh.clips = 0;
    }
    world_write(w);
    if (w->mutation == MUTATION_TWICE) world_write(w);
    w->commits++;
    w->trace = (w->trace ^ (uint64_t)w->now_ns) * UINT64_C(0x100000001b3);
    if (!world_is_red(w)) (void)reload_same(w->f, &w->store, w->now_ns, &w->red);
}

#endif

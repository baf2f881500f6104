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
    MUTATION_RESUME_ANY,   /* lets every attempt go on from the task's checkpoint */
    MUTATION_ONE_PRINT,    /* tells the core that all slots have one fingerprint */
    MUTATION_LOSE_LATENTS, /* does not write latents */
    MUTATION_LOSE_DROPS,   /* does not write the end of checkpoints */
    MUTATION_OLD_VERDICT,  /* takes the verdict on one checkpoint for the next one's */
    MUTATION_SHUFFLE,      /* stitches segments in the wrong order */
    MUTATION_COUNT
};

enum work_kind {
    WORK_HASH,
    WORK_VERIFY,
    WORK_HASH_CHECKPOINT,
    WORK_VERIFY_CHECKPOINT,
    WORK_STITCH,
    WORK_RENAME
};

struct work { /* of a child or a pool thread */
    enum work_kind kind;
    int64_t due_ns;
    struct effect_job job;
    char worker[CHECKER_NAME];
};

struct temp { /* an upload's temporary files */
    char worker[CHECKER_NAME];
    struct attempt_key key;
    bool is_checkpoint;
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
                                      const struct attempt_key *key, bool is_checkpoint)
{
    for (size_t i = 0; i < w->temp_count; i++) {
        struct temp *t = &w->temps[i];
        bool same = t->is_checkpoint == is_checkpoint && strcmp(t->worker, worker) == 0;
        if (same && same_attempt(&t->key, key)) return t;
    }
    return NULL;
}

static inline void world_discard(struct world *w, const char *worker, const struct attempt_key *key,
                                 bool is_checkpoint)
{
    struct temp *t = world_temp(w, worker, key, is_checkpoint);
    if (t != NULL) t->worker[0] = '\0';
}

/* What was begun on a checkpoint that is of no use any more. */
static inline void world_stop_works(struct world *w, const char *worker,
                                    const struct attempt_key *key)
{
    for (size_t i = 0; i < w->works.count && w->mutation != MUTATION_OLD_VERDICT;) {
        struct work k = ((const struct work *)w->works.items)[i];
        bool hit = (k.kind == WORK_HASH_CHECKPOINT || k.kind == WORK_VERIFY_CHECKPOINT) &&
                   strcmp(k.worker, worker) == 0 && k.job.worker_fence == key->fence &&
                   ledger_same_key(&k.job.task, &key->task);
        if (hit)
            queue_take(&w->works, i, sizeof(k), &k);
        else
            i++;
    }
}

static inline bool same_outputs_of(const struct temp *t, const struct up *u)
{
    return t->output_count == u->output_count &&
           memcmp(t->outputs, u->outputs, sizeof(t->outputs)) == 0;
}

static inline struct temp *world_temp_for(struct world *w, const char *worker, const struct up *u)
{
    bool is_checkpoint = u->kind == UP_CHECKPOINT;
    struct temp *t = world_temp(w, worker, &u->key, is_checkpoint);
    if (t != NULL && same_outputs_of(t, u)) return t;
    if (is_checkpoint) world_stop_works(w, worker, &u->key);
    for (size_t i = 0; i < w->temp_count && t == NULL; i++) {
        if (w->temps[i].worker[0] == '\0') t = &w->temps[i];
    }
    if (t == NULL) {
        w->temps = ledger_grow(w->temps, &w->temp_count, sizeof(*w->temps));
        t = &w->temps[w->temp_count - 1];
    }
    *t = (struct temp){
        .key = u->key, .is_checkpoint = is_checkpoint, .output_count = u->output_count};
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
    job.outputs[0] = t->outputs[0];
    world_begin(w, t->is_checkpoint ? WORK_HASH_CHECKPOINT : WORK_HASH, &job);
}

static inline void hashed(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct temp *t = world_temp(w, k->worker, &key, false);
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

static inline void checkpoint_hashed(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    bool right = w->calm || !chance_one_in(&w->chance, 20);
    farm_checkpoint_uploaded(w->f, k->worker, &key, right, w->now_ns);
}

static inline void checkpoint_verified(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    enum verdict_kind kind = verdict_on(w, &k->job);
    farm_checkpoint_verdict(w->f, k->worker, &key, kind, "as seen", w->now_ns);
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
                                       enum stitch_failure failure, const uint32_t *tasks,
                                       uint32_t count)
{
    struct task_key each = *key;
    for (uint32_t i = 0; i < count; i++) {
        each.task = tasks[i];
        checker_task(&w->checker, &each)->missing = true;
    }
    farm_stitch_failed(w->f, key->batch, key->clip, failure, tasks, count, "as it went", w->now_ns);
}

static inline struct farm_video video_of(const struct digest *sha256)
{
    return (struct farm_video){*sha256, 500, 50, "video.mp4"};
}

#define WORLD_PARTS 64

struct parts { /* of a clip, as the stitcher finds them */
    struct digest video;
    uint32_t missing[WORLD_PARTS];
    uint32_t missing_count;
};

/* Now and then one of them is damaged. */
static inline struct parts world_stitch(struct world *w, const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    struct parts parts = {.video = {{0}}};
    struct task_key each = *key;
    uint32_t count = plan_task_count(&plan);
    for (uint32_t i = 0; i < count; i++) {
        each.task = w->mutation == MUTATION_SHUFFLE ? count - 1 - i : i;
        struct plan_task task = nature_task(&each);
        if (!task.published || task.made_frames == 0) continue;
        const struct ledger_output *segment = ledger_output(&w->store, &each, 0);
        bool sound = segment != NULL && (w->calm || !chance_one_in(&w->chance, 40));
        if (sound)
            nature_stitch(&parts.video, &segment->output.sha256);
        else if (parts.missing_count < WORLD_PARTS)
            parts.missing[parts.missing_count++] = each.task;
    }
    return parts;
}

static inline void stitched(struct world *w, const struct work *k)
{
    static const enum stitch_failure bad_luck[] = {STITCH_FULL, STITCH_FULL, STITCH_DIED};
    const struct task_key *key = &k->job.task;
    struct parts parts = world_stitch(w, key);
    if (parts.missing_count > 0) {
        world_stitch_failed(w, key, STITCH_MISSING, parts.missing, parts.missing_count);
        return;
    }
    if (!w->calm && chance_one_in(&w->chance, 16)) {
        world_stitch_failed(w, key, bad_luck[chance_below(&w->chance, 3)], NULL, 0);
        return;
    }
    struct farm_video video = video_of(&parts.video);
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
        world_stitch_failed(w, key, STITCH_AGAIN, NULL, 0);
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
        [WORK_HASH_CHECKPOINT] = checkpoint_hashed,
        [WORK_VERIFY_CHECKPOINT] = checkpoint_verified,
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

#endif

/* children: what children and pool threads of a simulated coordinator do: digests, checks,
 * stitching, names. A step on a file is a place at which the process may die, or the power go. */
#ifndef ZOE_TESTS_SIMULATION_CHILDREN_H
#define ZOE_TESTS_SIMULATION_CHILDREN_H

#include "simulation/world.h"

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

/* Write, sync, name, sync the folder. False: it did not come to the end. */
static inline bool world_keep_files(struct world *w, const struct temp *t)
{
    bool syncs = w->mutation != MUTATION_NO_SYNC;
    for (uint32_t i = 0; i < t->output_count; i++) {
        if (!world_survives_step(w)) return false;
        struct disk_file *f = disk_put(&w->disk, &t->outputs[i].sha256);
        if (!world_survives_step(w)) return false;
        f->had_row = false; /* held by who brings it, even if an older row goes */
        f->content_synced = f->content_synced || syncs;
        if (!world_survives_step(w)) return false;
        f->name_synced = f->name_synced || syncs;
    }
    return world_survives_step(w);
}

static inline void hear_offer(struct world *w, const struct member *m, const struct up *u);

/* As the shell does in two seconds, with what stands then. */
static inline void offered_again(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    const struct temp *t = world_temp(w, k->worker, &key, false);
    if (t == NULL) return;
    const struct up offered = t->offered;
    hear_offer(w, &w->members[world_index(w, k->worker)], &offered);
}

/* One of its files is empty now. */
static inline void disk_loses(struct world *w, const struct work *k, struct temp *t)
{
    const struct attempt_key key = t->key;
    t->received[chance_below(&w->accidents.how, t->output_count)] = 0;
    world_begin(w, WORK_OFFER_AGAIN, &k->job);
    farm_upload_lost(w->f, k->worker, &key, w->now_ns);
}

static inline void hashed(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct temp *t = world_temp(w, k->worker, &key, false);
    if (t == NULL) return;
    /* A liar's later offer may have left none. */
    if (t->output_count > 0 && accident(w, UPLOAD_SYNC_FAILS, 20)) {
        disk_loses(w, k, t);
        return;
    }
    bool right = !accident(w, UPLOAD_DAMAGED, 20);
    if (!right) memset(t->received, 0, sizeof(t->received));
    if (right && !world_keep_files(w, t)) return;
    if (w->mutation == MUTATION_ACK_FIRST) {
        struct effect_message stored = {.worker = k->worker, .attempt = key};
        checker_see_message(&w->checker, EFFECT_STORED, &stored);
    }
    farm_uploaded(w->f, k->worker, &key, right, w->now_ns);
}

static inline enum verdict_kind verdict_on(struct world *w, const struct effect_job *job)
{
    if (accident(w, MEDIA_DIES, 15)) return VERDICT_CHILD_DIED;
    if (accident(w, MEDIA_DEFERS, 15)) return VERDICT_DEFERRED;
    if (accident(w, MEDIA_FAILS, 8))
        return chance_one_in(&w->accidents.how, 2) ? VERDICT_UNREADABLE : VERDICT_CHILD_FAILED;
    for (uint32_t i = 0; i < job->output_count; i++) {
        const struct digest *sha256 = &job->outputs[i].sha256;
        if (disk_file(&w->disk, sha256) == NULL) return VERDICT_REJECTED; /* another's came */
        if (!sha256->bytes[NATURE_GOOD] && w->mutation != MUTATION_BLIND) return VERDICT_REJECTED;
    }
    return VERDICT_SOUND;
}

static inline void verified(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct farm_verdict verdict = {.kind = verdict_on(w, &k->job), .message = "as seen"};
    struct digest contents[LIMIT_OUTPUTS];
    for (uint32_t i = 0; i < k->job.output_count; i++)
        contents[i] = k->job.outputs[i].sha256;
    verdict.content = nature_content(contents, k->job.output_count);
    bool has_frames = strcmp(k->job.outputs[0].kind, "segment") == 0;
    if (has_frames) verdict.suspect = nature_suspect(&contents[0]);
    farm_verdict(w->f, k->worker, &key, &verdict, w->now_ns);
}

static inline void checkpoint_hashed(struct world *w, const struct work *k)
{
    struct attempt_key key = {.task = k->job.task, .fence = k->job.worker_fence};
    struct temp *t = world_temp(w, k->worker, &key, true);
    bool right = t != NULL && !accident(w, UPLOAD_DAMAGED, 20);
    if (right && !world_keep_files(w, t)) return;
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
    *file = (struct video_file){.key = *key, .sha256 = *sha256};
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
        bool sound = segment != NULL && !accident(w, SEGMENT_DAMAGED, 40);
        if (sound)
            nature_stitch(&parts.video, &segment->output.sha256);
        else if (parts.missing_count < WORLD_PARTS)
            parts.missing[parts.missing_count++] = each.task;
    }
    return parts;
}

static inline void stitched(struct world *w, const struct work *k)
{
    static const enum stitch_failure bad_luck[] = {STITCH_FULL, STITCH_FAILED, STITCH_DIED};
    const struct task_key *key = &k->job.task;
    struct parts parts = world_stitch(w, key);
    if (parts.missing_count > 0) {
        world_stitch_failed(w, key, STITCH_MISSING, parts.missing, parts.missing_count);
        return;
    }
    if (accident(w, STITCH_FAILS, 16)) {
        world_stitch_failed(w, key, bad_luck[chance_below(&w->accidents.how, 3)], NULL, 0);
        return;
    }
    struct farm_video video = video_of(&parts.video);
    world_make_file(w, key, &video.sha256);
    if (!world_survives_step(w)) return;
    if (w->mutation != MUTATION_NO_SYNC) world_file(w, key)->content_synced = true;
    if (!world_survives_step(w)) return;
    if (w->mutation == MUTATION_RENAME_FIRST) checker_see_file(&w->checker, key, &video.sha256);
    farm_clip_stitched(w->f, key->batch, key->clip, &video, w->now_ns);
}

static inline void renamed(struct world *w, const struct work *k)
{
    const struct task_key *key = &k->job.task;
    struct video_file *file = world_file(w, key);
    bool vanished = file != NULL && !file->is_final && accident(w, VIDEO_VANISHES, 25);
    if (file == NULL || vanished) {
        if (file != NULL) file->key.batch[0] = '\0';
        world_stitch_failed(w, key, STITCH_AGAIN, NULL, 0);
        return;
    }
    if (!file->is_final) checker_see_file(&w->checker, key, &file->sha256);
    file->is_final = true;
    if (!world_survives_step(w)) return;
    if (w->mutation != MUTATION_NO_FOLDER) file->name_synced = true;
    if (!world_survives_step(w)) return;
    struct farm_video video = video_of(&file->sha256);
    farm_clip_renamed(w->f, key->batch, key->clip, &video, w->now_ns);
}

static inline void world_do_works(struct world *w)
{
    static void (*const done[])(struct world *, const struct work *) = {
        [WORK_HASH] = hashed,
        [WORK_OFFER_AGAIN] = offered_again,
        [WORK_VERIFY] = verified,
        [WORK_HASH_CHECKPOINT] = checkpoint_hashed,
        [WORK_VERIFY_CHECKPOINT] = checkpoint_verified,
        [WORK_STITCH] = stitched,
        [WORK_RENAME] = renamed,
    };
    for (size_t i = 0; i < w->works.count && w->dying == LIVING && !world_is_red(w);) {
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

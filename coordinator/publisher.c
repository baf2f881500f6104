/* One job a clip at a time: stitch (child), seal (pool) or place (pool). A job that was cleared
 * while a pool thread works on its files stays until that is done; what is asked for meanwhile
 * starts then. */
#include "coordinator/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/clip_facts.h"
#include "coordinator/publish.h"
#include "coordinator/shell.h"

#define RETRY_NS (5 * NS_PER_S)

enum step { STEP_STITCH, STEP_RENAME };

struct job {
    struct publisher *owner;
    struct coordinator *c;
    char name[32]; /* batch/clip */
    enum step step;
    struct effect_job wanted; /* no texts of it are used */
    bool heard;               /* false: cleared, nobody waits for its end */
    bool again;               /* asked for once more meanwhile: `next` */
    enum step next_step;
    struct effect_job next;
    struct clip_facts facts;
    struct publish_target target; /* texts are facts' */
    struct digest sha256;         /* STEP_RENAME: as committed */
    char *out;                    /* temporary file */
    struct media_run *run;
    int64_t retry_at_ns;
    uv_work_t work;
    bool working;
    bool ok; /* of the pool thread */
    struct error err;
    struct publish_sealed sealed;
    struct publish_placed placed;
};

struct publisher {
    struct coordinator *c; /* NULL: destroyed, waiting for pool threads */
    uv_loop_t *loop;
    struct table jobs; /* name -> struct job */
    int removing;      /* folders on their way out */
};

struct publisher *publisher_create(struct coordinator *c)
{
    struct publisher *p = xcalloc(1, sizeof(*p));
    p->c = c;
    p->loop = &c->loop;
    table_init(&p->jobs);
    return p;
}

static void free_if_done(struct publisher *p)
{
    if (p->c != NULL || p->jobs.count > 0 || p->removing > 0) return;
    table_finish(&p->jobs);
    free(p);
}

static void finish_files(struct job *j)
{
    clip_facts_finish(&j->facts);
    free(j->out);
    j->out = NULL;
}

static void start_job(struct publisher *p, enum step step, const struct effect_job *wanted);

/* Ends the job; starts what was asked for meanwhile. */
static void end_job(struct job *j)
{
    struct publisher *p = j->owner;
    bool again = j->again && p->c != NULL;
    enum step step = j->next_step;
    struct effect_job next = j->next;
    (void)table_remove_text(&p->jobs, j->name);
    finish_files(j);
    free(j);
    if (again) start_job(p, step, &next);
    free_if_done(p);
}

void publisher_clear(struct publisher *p)
{
    struct job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        j->heard = false;
        j->again = false;
        if (j->run != NULL) media_run_cancel(j->run);
        j->run = NULL;
        if (j->working) continue;
        (void)table_remove_text(&p->jobs, j->name);
        finish_files(j);
        free(j);
    }
}

void publisher_destroy(struct publisher *p)
{
    if (p == NULL) return;
    publisher_clear(p);
    p->c = NULL;
    free_if_done(p);
}

/* ---- failures -----------------------------------------------------------------------------------
 */

static void tell_failure(struct job *j, enum stitch_failure failure, const char *message)
{
    struct coordinator *c = j->owner->c;
    if (j->heard) {
        shell_stir(c);
        farm_stitch_failed(c->farm, j->wanted.task.batch, j->wanted.task.clip, failure, NULL, 0,
                           message, shell_now(c));
    }
    end_job(j);
}

static bool is_disk(const struct error *err)
{
    return err->code == ERROR_FULL || err->code == ERROR_IO;
}

static void tell_error(struct job *j, const struct error *err)
{
    tell_failure(j, is_disk(err) ? STITCH_FULL : STITCH_DIED, err->message);
}

/* ---- stitching: a child makes the video, a pool thread makes it durable
 * --------------------------- */

#define FILE_NAME_SIZE (PUBLISH_NAME_SIZE + 8)

static void file_name(const struct job *j, const char *name, char out[FILE_NAME_SIZE])
{
    (void)snprintf(out, FILE_NAME_SIZE, "%s.%s", name, output_kind_extension(j->target.output));
}

static void seal_work(uv_work_t *work)
{
    struct job *j = work->data;
    j->ok = publish_seal(&j->target, &j->facts.record, &j->sealed, &j->err);
}

static void on_sealed(uv_work_t *work, int status)
{
    struct job *j = work->data;
    j->working = false;
    if (!j->heard) {
        end_job(j);
        return;
    }
    if (status != 0 || !j->ok) {
        tell_error(j, &j->err);
        return;
    }
    fault_point("publish.stitched");
    struct coordinator *c = j->c;
    char file[FILE_NAME_SIZE];
    file_name(j, j->facts.name, file);
    struct farm_video video = {.sha256 = j->sealed.sha256,
                               .size_bytes = j->sealed.size_bytes,
                               .sidecar_bytes = j->sealed.sidecar_bytes,
                               .file = file};
    const struct task_key *task = &j->wanted.task;
    shell_stir(c);
    farm_clip_stitched(c->farm, task->batch, task->clip, &video, shell_now(c));
    if (farm_clip_state(c->farm, task->batch, task->clip) != CLIP_PUBLISHING) {
        publish_clip_drop(&j->target); /* canceled or reopened meanwhile */
    }
    end_job(j);
}

static void queue_work(struct job *j, uv_work_cb work, uv_after_work_cb done)
{
    j->working = true;
    j->work.data = j;
    if (uv_queue_work(j->owner->loop, &j->work, work, done) == 0) return;
    j->working = false;
    tell_failure(j, STITCH_FULL, "no thread to publish with");
}

static void on_stitched(void *context, const struct media_result *result)
{
    static const enum stitch_failure failures[] = {
        [MEDIA_REJECTED] = STITCH_MISSING, /* a stored segment is damaged */
        [MEDIA_DIED] = STITCH_DIED,
        [MEDIA_FULL] = STITCH_FULL,
        [MEDIA_FAILED] = STITCH_DIED,
    };
    struct job *j = context;
    j->run = NULL;
    if (result->outcome != MEDIA_OK) {
        publish_clip_drop(&j->target);
        tell_failure(j, failures[result->outcome], result->message);
        return;
    }
    if (!media_report_has_frames(result->report, &j->facts.output.frames_sha256)) {
        publish_clip_drop(&j->target);
        tell_failure(j, STITCH_MISSING, "its stored segment holds other frames than were checked");
        return;
    }
    j->facts.record.published_ms = clock_wall_ms();
    queue_work(j, seal_work, on_sealed);
}

static void run_stitcher(struct job *j, char **segments)
{
    struct media_stitch stitch = {
        .out = j->out,
        .segments = (const char *const *)segments,
        .segment_count = 1,
        .frames = j->facts.record.frames,
        .width = j->facts.record.width,
        .height = j->facts.record.height,
        .fps = j->facts.record.fps,
        .title = j->facts.prompt,
    };
    char *comment = publish_comment(&j->facts.record);
    stitch.comment = comment;
    j->run = media_stitch_start(j->c->media, &stitch, on_stitched, j);
    free(comment);
}

static void start_stitch(struct job *j)
{
    struct error err = {0};
    char *segment = artifacts_path(j->c->artifacts, &j->facts.output.sha256);
    if (segment == NULL) {
        tell_failure(j, STITCH_MISSING, "its stored segment is gone");
        return;
    }
    j->out = publish_temp(&j->target, &err);
    if (j->out == NULL) {
        tell_error(j, &err);
    } else {
        run_stitcher(j, &segment);
    }
    free(segment);
}

/* ---- renaming
 * ------------------------------------------------------------------------------------- */

static void place_work(uv_work_t *work)
{
    struct job *j = work->data;
    j->ok = publish_place(&j->target, &j->sha256, &j->placed, &j->err);
}

static void tell_renamed(struct job *j)
{
    struct coordinator *c = j->c;
    if (!j->placed.renamed) return;
    char file[FILE_NAME_SIZE], message[FILE_NAME_SIZE + 64];
    file_name(j, j->placed.name, file);
    (void)snprintf(message, sizeof(message), "a foreign file had its name: published as %s", file);
    struct event_record event = {.kind = "clip.renamed",
                                 .batch = j->wanted.task.batch,
                                 .has_clip = true,
                                 .clip = j->wanted.task.clip,
                                 .worker = "",
                                 .message = message,
                                 .at_ms = clock_wall_ms()};
    shell_event(c, &event);
}

static void on_placed(uv_work_t *work, int status)
{
    struct job *j = work->data;
    struct coordinator *c = j->c;
    j->working = false;
    if (!j->heard) {
        end_job(j);
        return;
    }
    if (status != 0 || (!j->ok && j->err.code != ERROR_STATE)) {
        log_warn("publishing is held up clip=%s: %s", j->name, j->err.message);
        j->retry_at_ns = shell_now(c) + RETRY_NS;
        shell_stir(c);
        return;
    }
    if (!j->ok) {
        tell_failure(j, STITCH_AGAIN, j->err.message);
        return;
    }
    char file[FILE_NAME_SIZE];
    file_name(j, j->placed.name, file);
    struct farm_video video = {.sha256 = j->sha256,
                               .size_bytes = 0,
                               .sidecar_bytes = j->placed.sidecar_bytes,
                               .file = file};
    video.size_bytes = j->sealed.size_bytes;
    shell_stir(c);
    tell_renamed(j);
    farm_clip_renamed(c->farm, j->wanted.task.batch, j->wanted.task.clip, &video, shell_now(c));
    end_job(j);
}

static void start_rename(struct job *j)
{
    queue_work(j, place_work, on_placed);
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------- */

static bool fill_for_stitch(struct job *j, struct error *err)
{
    return clip_facts_fill(&j->facts, j->c, &j->wanted.task, err);
}

/* What is renamed has the name and digest that were committed, whatever would be made today. */
static bool fill_for_rename(struct job *j, struct error *err)
{
    struct clip_record row;
    const struct task_key *task = &j->wanted.task;
    const char *folder = catalog_folder(&j->c->catalog, task->batch);
    if (folder == NULL) return error_set(err, ERROR_NOT_FOUND, "batch %s is gone", task->batch);
    if (!store_clip(j->c->store, task->batch, task->clip, &row, err)) return false;
    const char *dot = strrchr(row.file, '.');
    const size_t size = dot != NULL ? (size_t)(dot - row.file) : 0;
    if (size == 0 || size >= sizeof(j->facts.name) ||
        !output_kind_of_path(row.file, &j->facts.kind)) {
        return error_set(err, ERROR_NOT_FOUND, "%s has no name in the database", j->name);
    }
    j->facts.folder = path_join(j->c->renders, folder);
    memcpy(j->facts.name, row.file, size);
    j->facts.name[size] = '\0';
    j->sha256 = row.sha256;
    j->sealed.size_bytes = row.size_bytes;
    return true;
}

static const struct {
    bool (*fill)(struct job *j, struct error *err);
    void (*start)(struct job *j);
    enum stitch_failure missing; /* what it means that something is not there */
} steps[] = {
    [STEP_STITCH] = {fill_for_stitch, start_stitch, STITCH_MISSING},
    [STEP_RENAME] = {fill_for_rename, start_rename, STITCH_AGAIN},
};

static void run_job(struct job *j)
{
    struct error err = {0};
    j->retry_at_ns = 0;
    if (!steps[j->step].fill(j, &err)) {
        log_error("cannot publish %s: %s", j->name, err.message);
        if (err.code == ERROR_NOT_FOUND) {
            tell_failure(j, steps[j->step].missing, err.message);
        } else {
            tell_error(j, &err);
        }
        return;
    }
    j->target = (struct publish_target){.folder = j->facts.folder,
                                        .name = j->facts.name,
                                        .batch = j->wanted.task.batch,
                                        .clip = j->wanted.task.clip,
                                        .output = j->facts.kind};
    steps[j->step].start(j);
}

static void start_job(struct publisher *p, enum step step, const struct effect_job *wanted)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s/%u", wanted->task.batch, wanted->task.clip);
    struct job *j = table_get_text(&p->jobs, name);
    if (j != NULL) {
        j->again = true;
        j->next_step = step;
        j->next = *wanted;
        return;
    }
    j = xcalloc(1, sizeof(*j));
    j->owner = p;
    j->c = p->c;
    j->step = step;
    j->wanted = *wanted;
    j->heard = true;
    memcpy(j->name, name, sizeof(name));
    (void)table_set_text(&p->jobs, j->name, j);
    run_job(j);
}

void publisher_stitch(struct publisher *p, const struct effect_job *job)
{
    start_job(p, STEP_STITCH, job);
}

void publisher_rename(struct publisher *p, const struct effect_job *job)
{
    start_job(p, STEP_RENAME, job);
}

static struct job *find_due(const struct publisher *p, int64_t now_ns)
{
    struct job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        if (j->retry_at_ns != 0 && j->retry_at_ns <= now_ns) return j;
    }
    return NULL;
}

/* A job that runs may end, and another begin: the table is walked anew. */
void publisher_tick(struct publisher *p, int64_t now_ns)
{
    struct job *j = NULL;
    while ((j = find_due(p, now_ns)) != NULL) {
        finish_files(j);
        run_job(j);
    }
}

int64_t publisher_next(const struct publisher *p)
{
    int64_t next_ns = INT64_MAX;
    const struct job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        if (j->retry_at_ns != 0 && j->retry_at_ns < next_ns) next_ns = j->retry_at_ns;
    }
    return next_ns;
}

/* ---- batches
 * ---------------------------------------------------------------------------------------- */

struct removal {
    struct publisher *owner;
    uv_work_t work;
    char *path;
};

static void remove_work(uv_work_t *work)
{
    struct removal *r = work->data;
    struct error err = {0};
    if (!path_remove_tree(r->path, &err)) log_warn("cannot remove %s: %s", r->path, err.message);
}

static void on_removed(uv_work_t *work, int status)
{
    struct removal *r = work->data;
    struct publisher *p = r->owner;
    (void)status;
    free(r->path);
    free(r);
    p->removing--;
    free_if_done(p);
}

/* The hidden name is that of a prepared folder: a start removes it when no batch claims it. */
void publisher_remove_batch(struct publisher *p, const char *batch, const char *folder)
{
    struct removal *r = xcalloc(1, sizeof(*r));
    char *from = path_join(p->c->renders, folder);
    r->owner = p;
    r->path = xasprintf("%s/.tmp-%s", p->c->renders, batch);
    r->work.data = r;
    if (path_exists(from) && rename(from, r->path) != 0) log_warn("cannot move %s away", from);
    free(from);
    p->removing++;
    if (uv_queue_work(p->loop, &r->work, remove_work, on_removed) != 0) on_removed(&r->work, 0);
}

struct sweep {
    struct coordinator *c;
    const char *batch;
};

static bool is_publishing(void *context, uint64_t clip)
{
    const struct sweep *s = context;
    return farm_clip_state(s->c->farm, s->batch, (uint32_t)clip) == CLIP_PUBLISHING;
}

static void sweep_folder(struct coordinator *c, const char *batch)
{
    const char *folder = catalog_folder(&c->catalog, batch);
    if (folder == NULL) return;
    struct error err = {0};
    struct sweep s = {c, batch};
    char *path = path_join(c->renders, folder);
    if (path_is_folder(path) && !publish_sweep(path, is_publishing, &s, &err)) {
        log_warn("cannot tidy %s: %s", path, err.message);
    }
    free(path);
}

void publisher_sweep(struct publisher *p)
{
    struct batch_info info;
    for (uint64_t i = 0; farm_batch_at(p->c->farm, i, &info); i++) {
        if (info.state == BATCH_DONE) continue;
        char batch[ID_BATCH_SIZE];
        (void)snprintf(batch, sizeof(batch), "%s", info.id);
        sweep_folder(p->c, batch);
    }
}

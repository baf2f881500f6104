/* The first step: a child makes the video, a pool thread makes it durable. The segment of a clip
 * without a plan is given to the child as a word; those of a plan, and what gets sound or another
 * rate or size, as a manifest that says of each segment what it has to be. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

bool publish_stitch_fill(struct publish_job *j, struct error *err)
{
    return clip_facts_fill(&j->facts, j->c, &j->wanted.task, err);
}

static void seal_work(uv_work_t *work)
{
    struct publish_job *j = work->data;
    j->ok = publish_seal(&j->target, &j->facts.record, &j->sealed, &j->err);
}

static void on_sealed(uv_work_t *work, int status)
{
    struct publish_job *j = work->data;
    j->working = false;
    if (!j->heard) {
        publish_job_end(j);
        return;
    }
    if (status != 0 || !j->ok) {
        publish_job_error(j, &j->err);
        return;
    }
    fault_point("publish.stitched");
    struct coordinator *c = j->c;
    char file[PUBLISH_FILE_SIZE];
    publish_job_file(j, j->facts.name, file);
    struct farm_video video = {.sha256 = j->sealed.sha256,
                               .size_bytes = j->sealed.size_bytes,
                               .sidecar_bytes = j->sealed.sidecar_bytes,
                               .file = file};
    const struct task_key *task = &j->wanted.task;
    shell_stir(c);
    if (j->again) { /* of other segments: some were rendered again meanwhile */
        publish_clip_drop(&j->target);
        publish_job_end(j);
        return;
    }
    farm_clip_stitched(c->farm, task->batch, task->clip, &video, shell_now(c));
    if (farm_clip_state(c->farm, task->batch, task->clip) != CLIP_PUBLISHING) {
        publish_clip_drop(&j->target); /* canceled or reopened meanwhile */
    }
    publish_job_end(j);
}

/* ---- what the child says ---- */

/* Which tasks made the segments that the child refused. */
static uint32_t bad_tasks(const struct publish_job *j, const json_t *report, uint32_t *tasks)
{
    const json_t *list = json_object_get(report, "bad_segments"), *item;
    const struct clip_parts *parts = &j->facts.parts;
    uint32_t count = 0;
    size_t i;
    json_array_foreach(list, i, item)
    {
        const json_int_t index = json_integer_value(item);
        if (!json_is_integer(item) || index < 0 || index >= (json_int_t)parts->count) continue;
        if (count < parts->count) tasks[count++] = parts->items[index].task.number;
    }
    return count;
}

/* With a manifest the child names the segments; when it names none they are not at fault, and no
 * rendering helps. */
static void refused(struct publish_job *j, const struct media_result *result)
{
    const struct clip_parts *parts = &j->facts.parts;
    uint32_t *tasks = xcalloc(parts->count + 1, sizeof(*tasks));
    const uint32_t count = bad_tasks(j, result->report, tasks);
    const bool missing = count > 0 || !j->has_manifest;
    log_warn("a stitch was refused clip=%s segments=%u: %s", j->name, count, result->message);
    publish_job_fail(j, missing ? STITCH_MISSING : STITCH_DIED, tasks, count, result->message);
    free(tasks);
}

/* ---- a child that fails by its own words ---- */

static void on_reread(void *context, const bool *damaged)
{
    struct publish_job *j = context;
    const struct clip_parts *parts = &j->facts.parts;
    uint32_t *tasks = xcalloc(parts->count + 1, sizeof(*tasks)), count = 0;
    j->reread = NULL;
    for (uint32_t i = 0; i < parts->count; i++)
        if (damaged[i]) tasks[count++] = parts->items[i].task.number;
    if (count > 0) log_warn("stored segments are damaged clip=%s segments=%u", j->name, count);
    publish_job_fail(j, count > 0 ? STITCH_MISSING : STITCH_FAILED, tasks, count, j->failure);
    free(tasks);
}

static void read_segments(struct publish_job *j)
{
    const struct clip_parts *parts = &j->facts.parts;
    struct digest *digests = xcalloc(parts->count, sizeof(*digests));
    for (uint32_t i = 0; i < parts->count; i++)
        digests[i] = parts->items[i].output.sha256;
    j->reread = reread_start(&j->c->loop, j->c->artifacts, digests, parts->count, on_reread, j);
    free(digests);
}

/* The disk may have hiccuped: only the second time are its segments suspected. */
static void child_failed(struct publish_job *j, const char *message)
{
    log_warn("a stitch failed clip=%s: %s", j->name, message);
    if (!j->wanted.doubted) {
        publish_job_fail(j, STITCH_FAILED, NULL, 0, message);
        return;
    }
    j->failure = xstrdup(message);
    read_segments(j);
}

static void take_report(struct publish_job *j, const json_t *report)
{
    struct publish_record *r = &j->facts.record;
    const char *hex = json_string_value(json_object_get(report, "frames_sha256"));
    const char *suspect = json_string_value(json_object_get(report, "suspect"));
    if (!j->has_manifest) return;
    if (hex != NULL) (void)digest_parse(hex, &r->frames_sha256);
    r->output_frames = (int64_t)json_integer_value(json_object_get(report, "output_frames"));
    if (r->method == NULL || suspect == NULL) return; /* a task's own verdict stands */
    for (int s = SUSPECT_BLACK; s <= SUSPECT_STILL; s++)
        if (strcmp(suspect, suspect_name((enum suspect)s)) == 0)
            r->suspect = suspect_name((enum suspect)s);
}

static void on_stitched(void *context, const struct media_result *result)
{
    static const enum stitch_failure failures[] = {
        [MEDIA_DIED] = STITCH_DIED,
        [MEDIA_FULL] = STITCH_FULL,
    };
    struct publish_job *j = context;
    j->run = NULL;
    if (result->outcome != MEDIA_OK) publish_clip_drop(&j->target);
    if (result->outcome == MEDIA_REJECTED) {
        refused(j, result);
        return;
    }
    if (result->outcome == MEDIA_FAILED) {
        child_failed(j, result->message);
        return;
    }
    if (result->outcome != MEDIA_OK) {
        publish_job_fail(j, failures[result->outcome], NULL, 0, result->message);
        return;
    }
    if (!j->has_manifest &&
        !media_report_has_frames(result->report, &j->facts.record.frames_sha256)) {
        publish_clip_drop(&j->target);
        publish_job_fail(j, STITCH_MISSING, NULL, 0,
                         "its stored segment holds other frames than were checked");
        return;
    }
    take_report(j, result->report);
    j->facts.record.published_ms = clock_wall_ms();
    publish_job_work(j, seal_work, on_sealed);
}

/* ---- what the child is asked ---- */

static json_t *about_segment(const struct publish_job *j, const struct clip_part *part)
{
    char frames[DIGEST_TEXT_SIZE], recipe[DIGEST_TEXT_SIZE], place[PLAN_PLACE_SIZE];
    char *path = artifacts_path(j->c->artifacts, &part->output.sha256);
    json_t *segment = json_object();
    (void)json_object_set_new(segment, "path", json_string(path != NULL ? path : ""));
    (void)json_object_set_new(segment, "frames", json_integer(part->task.made_frames));
    (void)json_object_set_new(segment, "first", json_integer(part->task.made_first));
    if (!digest_is_zero(&part->output.frames_sha256)) {
        digest_text(&part->output.frames_sha256, frames);
        (void)json_object_set_new(segment, "frames_sha256", json_string(frames));
    }
    if (j->facts.shape.plan.method != PLAN_WHOLE) {
        digest_text(&j->facts.recipe_digest, recipe);
        plan_place(recipe, &part->task, place);
        (void)json_object_set_new(segment, "place", json_string(place));
    }
    free(path);
    return segment;
}

/* Caller frees. */
static char *manifest_text(const struct publish_job *j)
{
    const struct clip_facts *f = &j->facts;
    json_t *manifest = json_object(), *list = json_array();
    for (uint32_t i = 0; i < f->parts.count; i++)
        (void)json_array_append_new(list, about_segment(j, &f->parts.items[i]));
    (void)json_object_set_new(manifest, "segments", list);
    if (f->before != NULL)
        (void)json_object_set_new(
            manifest, "before",
            json_pack("{s:s, s:I}", "path", f->before, "frames", (json_int_t)f->before_frames));
    char *text = json_line(manifest);
    json_decref(manifest);
    return text;
}

static void run_stitcher(struct publish_job *j, const char *segment, const char *manifest)
{
    const struct publish_record *r = &j->facts.record;
    char *comment = publish_comment(r);
    struct media_stitch stitch = {
        .out = j->out,
        .segments = &segment,
        .segment_count = manifest == NULL ? 1 : 0,
        .manifest = manifest,
        .frames = r->frames,
        .width = r->width,
        .height = r->height,
        .fps = r->fps,
        .title = j->facts.prompt,
        .comment = comment,
        .audio = j->facts.audio,
        .output_fps = r->output_fps,
        .output_width = r->output_width,
        .output_height = r->output_height,
    };
    j->run = media_stitch_start(j->c->media, &stitch, on_stitched, j);
    free(comment);
}

void publish_stitch_start(struct publish_job *j)
{
    struct error err = {0};
    const struct clip_facts *f = &j->facts;
    /* the last task of an upscaled clip of one window is not its first: the child has to name it */
    j->has_manifest = f->shape.plan.method != PLAN_WHOLE || clip_facts_has_output(f);
    char *segment = artifacts_path(j->c->artifacts, &f->parts.items[0].output.sha256);
    char *manifest = j->has_manifest ? manifest_text(j) : NULL;
    j->out = publish_temp(&j->target, &err);
    if (j->out == NULL) {
        publish_job_error(j, &err);
    } else {
        run_stitcher(j, segment != NULL ? segment : "", manifest);
    }
    free(segment);
    free(manifest);
}

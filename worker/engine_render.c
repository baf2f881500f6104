#include "worker/engine_render.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "media/segment_writer.h"
#include "media/survey.h"
#include "worker/engine_task.h"
#include "worker/pipe.h"
#include "worker/slot_work.h"

#define ALIVE_NS (500 * NS_PER_MS)

struct render {
    const struct render_host *host;
    const char *attempt; /* opaque to the child, repeated in every answer */
    const char *model;
    const char *signature;                  /* of its files and its LoRAs' */
    const char *resume;                     /* or NULL */
    const char *outputs[SLOT_OUTPUT_KINDS]; /* files to write, or NULL */
    struct engine_task task;
    json_t *made; /* the outputs, for `done` */
    int64_t begun_ns;
    int64_t spoke_ns; /* last message about it: "alive" is throttled */
    int step_first, steps_done;
    int frame_first, frame_count; /* of the segment, in the job's */
};

struct frame_keeper {
    struct buf all;
    size_t frame_bytes;
};

/* ---- speaking ---- */

void render_speak(struct render *r, const char *type, json_t *fields)
{
    json_object_set_new(fields, "attempt", json_string(r->attempt));
    r->spoke_ns = clock_now_ns();
    if (!pipe_write(STDOUT_FILENO, type, fields, NULL)) _exit(1);
}

static void speak_frame(struct render *r, int done)
{
    if (done > 0)
        render_speak(r, "frame", json_pack("{sisi}", "done", done, "total", r->frame_count));
}

/* The engine counts the frames of its window. */
static void on_progress(void *arg, const struct engine_progress *p)
{
    struct render *r = arg;
    const bool whole = p->fraction >= 1 || p->fraction <= 0;
    if (p->phase == ENGINE_DECODE && whole)
        speak_frame(r, p->done - r->frame_first);
    else if (!whole && clock_now_ns() - r->spoke_ns >= ALIVE_NS)
        render_speak(r, "alive", json_pack("{sf}", "fraction", p->fraction));
}

static void speak_done(struct render *r)
{
    render_speak(r, "done",
                 json_pack("{sOsisI}", "outputs", r->made, "steps", r->steps_done - r->step_first,
                           "render_ms", (json_int_t)((clock_now_ns() - r->begun_ns) / NS_PER_MS)));
}

static void speak_failed(struct render *r, const struct error *err)
{
    render_speak(r, "failed",
                 json_pack("{sssssi}", "code", error_name(err->code), "message", err->message,
                           "steps", r->steps_done - r->step_first));
}

static void put_digest(json_t *object, const char *key, const struct digest *digest)
{
    char text[DIGEST_TEXT_SIZE];
    digest_text(digest, text);
    json_object_set_new(object, key, json_string(text));
}

/* ---- checkpoints ---- */

static bool save(const struct engine_job *job, const char *path, struct digest *digest,
                 uint64_t *size, struct error *err)
{
    return engine_job_save(job, path, err) && digest_of_file(path, digest, size, err);
}

/* What cannot be saved is rendered all the same. */
static void save_if_asked(struct render *r, const struct engine_job *job, int total)
{
    const int64_t begun_ns = clock_now_ns();
    struct error err = {0};
    struct digest digest;
    uint64_t size = 0;
    char *path = r->steps_done < total ? r->host->save_path(r->host->context, r->attempt) : NULL;
    if (!path) return;
    json_t *fields = json_pack("{sisi}", "step", r->steps_done, "total", total);
    if (save(job, path, &digest, &size, &err)) {
        put_digest(fields, "sha256", &digest);
        json_object_set_new(fields, "size_bytes", json_integer((json_int_t)size));
        json_object_set_new(fields, "us",
                            json_integer((json_int_t)((clock_now_ns() - begun_ns) / 1000)));
    } else {
        log_warn("a checkpoint could not be written: %s", err.message);
        (void)unlink(path);
    }
    render_speak(r, "saved", fields);
    free(path);
}

static bool resume(struct render *r, struct engine_job *job, struct error *err)
{
    if (!r->resume) return true;
    if (!engine_job_load(job, r->resume, err)) {
        error_wrap(err, "the checkpoint cannot be gone on from");
        err->code = ERROR_FAILED;
        return false;
    }
    r->step_first = r->steps_done = engine_job_step_index(job);
    return true;
}

/* ---- rendering ---- */

static bool run_steps(struct render *r, struct engine_job *job, struct error *err)
{
    const int total = engine_job_step_count(job);
    render_speak(r, "begun", json_pack("{sisi}", "step", r->steps_done, "total", total));
    while (engine_job_step_index(job) < total) {
        if (!engine_job_step(job, err)) return false;
        r->steps_done = engine_job_step_index(job);
        render_speak(r, "step", json_pack("{sisi}", "done", r->steps_done, "total", total));
        save_if_asked(r, job, total);
    }
    return true;
}

/* What is done with a frame; false with err ends it. */
typedef bool (*take_frame)(void *context, const uint8_t *rgb, struct error *err);

static bool decode_frames(struct render *r, struct engine_job *job,
                          const struct frames_shape *shape, take_frame take, void *context,
                          struct error *err)
{
    uint8_t *rgb = alloc_checked(1, frames_size_bytes(shape), "a frame", err);
    bool ok = rgb != NULL;
    for (int f = 0; ok && f < (int)shape->count; f++) {
        ok = engine_job_decode(job, 0, r->frame_first + f, 1, rgb, err) && take(context, rgb, err);
        if (ok) speak_frame(r, f + 1);
    }
    free(rgb);
    return ok;
}

/* Which frames the task makes, of those in its job. */
static bool plan_frames(struct render *r, const struct engine_job *job, struct frames_shape *shape,
                        struct error *err)
{
    const struct engine_shape job_shape = engine_job_shape(job);
    if (!engine_task_frames(&r->task, &job_shape, &r->frame_first, shape, err)) return false;
    r->frame_count = (int)shape->count;
    return true;
}

static bool push_frame(void *context, const uint8_t *rgb, struct error *err)
{
    return segment_writer_push(context, rgb, err);
}

static struct segment_writer *open_writer(const struct render *r, const struct frames_shape *shape,
                                          struct error *err)
{
    const char *path = r->outputs[SLOT_SEGMENT];
    if (!r->task.is_part) return segment_writer_open(path, shape, err);
    return segment_writer_open_at(path, shape, r->task.place, err);
}

static void note_segment(struct render *r, const struct segment_result *result,
                         const struct frames_shape *shape)
{
    json_t *o = json_pack("{sssIsIsisi}", "kind", slot_output_name(SLOT_SEGMENT), "size_bytes",
                          (json_int_t)result->size_bytes, "frames", (json_int_t)result->frames,
                          "width", shape->width, "height", shape->height);
    put_digest(o, "sha256", &result->sha256);
    put_digest(o, "frames_sha256", &result->frames_sha256);
    json_array_append_new(r->made, o);
}

static bool write_segment(struct render *r, struct engine_job *job, struct error *err)
{
    struct segment_result result;
    struct frames_shape shape;
    if (!plan_frames(r, job, &shape, err)) return false;
    struct segment_writer *writer = open_writer(r, &shape, err);
    const bool ok = writer && decode_frames(r, job, &shape, push_frame, writer, err) &&
                    segment_writer_finish(writer, &result, err);
    segment_writer_destroy(writer);
    if (ok) note_segment(r, &result, &shape);
    return ok;
}

static bool write_latents(struct render *r, struct engine_job *job, struct error *err)
{
    const char *path = r->outputs[SLOT_LATENTS];
    struct digest digest;
    uint64_t size = 0;
    if (!engine_job_hand_over(job, path, err) || !digest_of_file(path, &digest, &size, err))
        return false;
    json_t *o =
        json_pack("{sssI}", "kind", slot_output_name(SLOT_LATENTS), "size_bytes", (json_int_t)size);
    put_digest(o, "sha256", &digest);
    json_array_append_new(r->made, o);
    return true;
}

/* ---- a report ---- */

static bool survey_frame(void *context, const uint8_t *rgb, struct error *err)
{
    (void)err;
    survey_add(context, rgb);
    return true;
}

static char *report_text(const struct survey_result *seen, const struct frames_shape *shape)
{
    json_t *o = json_pack("{sssIsisisiss}", "schema", "zoe.report.v1", "frames",
                          (json_int_t)seen->count, "width", shape->width, "height", shape->height,
                          "luma_max", seen->luma_max, "suspect", seen->suspect);
    put_digest(o, "frames_sha256", &seen->frames_sha256);
    char *text = json_canonical(o);
    json_decref(o);
    return text;
}

static void note_report(struct render *r, const char *text, const struct survey_result *seen,
                        const struct frames_shape *shape)
{
    const struct digest digest = digest_of(text, strlen(text));
    json_t *o = json_pack("{sssIsIsisi}", "kind", slot_output_name(SLOT_REPORT), "size_bytes",
                          (json_int_t)strlen(text), "frames", (json_int_t)seen->count, "width",
                          shape->width, "height", shape->height);
    put_digest(o, "sha256", &digest);
    put_digest(o, "frames_sha256", &seen->frames_sha256);
    json_array_append_new(r->made, o);
}

static bool write_report(struct render *r, struct engine_job *job, struct error *err)
{
    struct frames_shape shape;
    struct survey survey;
    if (!plan_frames(r, job, &shape, err)) return false;
    if (!survey_init(&survey, &shape, err)) return false;
    bool ok = decode_frames(r, job, &shape, survey_frame, &survey, err);
    const struct survey_result seen = survey_end(&survey);
    survey_finish(&survey);
    if (!ok) return false;
    char *text = report_text(&seen, &shape);
    ok = path_write_atomic(r->outputs[SLOT_REPORT], text, strlen(text), 0600, err);
    if (ok) note_report(r, text, &seen, &shape);
    free(text);
    return ok;
}

/* ---- the frames themselves ---- */

static bool keep_frame(void *context, const uint8_t *rgb, struct error *err)
{
    struct frame_keeper *k = context;
    (void)err;
    buf_append(&k->all, rgb, k->frame_bytes);
    return true;
}

static void note_frames(struct render *r, const struct buf *rgb, const struct frames_shape *shape)
{
    const struct digest digest = digest_of(rgb->data, rgb->size);
    json_t *o = json_pack("{sssIsIsisi}", "kind", slot_output_name(SLOT_FRAMES), "size_bytes",
                          (json_int_t)rgb->size, "frames", (json_int_t)shape->count, "width",
                          shape->width, "height", shape->height);
    put_digest(o, "sha256", &digest);
    put_digest(o, "frames_sha256", &digest);
    json_array_append_new(r->made, o);
}

static bool write_frames(struct render *r, struct engine_job *job, struct error *err)
{
    struct frames_shape shape;
    if (!plan_frames(r, job, &shape, err)) return false;
    struct frame_keeper k = {.all = BUF_INIT, .frame_bytes = frames_size_bytes(&shape)};
    const bool ok = decode_frames(r, job, &shape, keep_frame, &k, err) &&
                    path_write_atomic(r->outputs[SLOT_FRAMES], k.all.data, k.all.size, 0600, err);
    if (ok) note_frames(r, &k.all, &shape);
    buf_finish(&k.all);
    return ok;
}

static bool (*const writers[SLOT_OUTPUT_KINDS])(struct render *r, struct engine_job *job,
                                                struct error *err) = {
    [SLOT_SEGMENT] = write_segment,
    [SLOT_LATENTS] = write_latents,
    [SLOT_REPORT] = write_report,
    [SLOT_FRAMES] = write_frames,
};

static bool render_job(struct render *r, struct engine_job *job, struct error *err)
{
    engine_job_watch(job, on_progress, r);
    if (!resume(r, job, err) || !run_steps(r, job, err)) return false;
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++)
        if (r->outputs[kind] && !writers[kind](r, job, err)) return false;
    return true;
}

static bool render_task(struct render *r, struct error *err)
{
    const json_t *loras = json_object_get(r->task.message, "loras");
    struct engine_model *model =
        r->host->model(r->host->context, r, r->model, r->signature, loras, err);
    struct engine_job *job = model ? engine_task_job(&r->task, model, err) : NULL;
    const char *warning;
    if (!job) return false;
    for (int i = 0; (warning = engine_job_warning(job, i)) != NULL; i++)
        render_speak(r, "warning", json_pack("{ss}", "message", warning));
    r->host->publish(r->host->context, r->attempt, job);
    const bool ok = render_job(r, job, err);
    r->host->publish(r->host->context, r->attempt, NULL);
    engine_job_free(job);
    return ok;
}

/* ---- the message ---- */

static bool read_outputs(struct render *r, const json_t *message, struct error *err)
{
    const json_t *outputs = json_object_get(message, "outputs");
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++)
        if (!json_get_text_or(outputs, slot_output_name((enum slot_output_kind)kind), NULL,
                              &r->outputs[kind], "render", err))
            return false;
    return true;
}

void render_run(const struct render_host *host, const json_t *message)
{
    struct error err = {0};
    struct render r = {.host = host, .begun_ns = clock_now_ns()};
    if (!json_get_text(message, "attempt", &r.attempt, "render", &err) ||
        !json_get_text(message, "model", &r.model, "render", &err) ||
        !json_get_text_or(message, "signature", "", &r.signature, "render", &err) ||
        !json_get_text_or(message, "resume", NULL, &r.resume, "render", &err) ||
        !json_is_object(json_object_get(message, "outputs")) || !read_outputs(&r, message, &err)) {
        log_error("render: %s", err.code ? err.message : "no outputs");
        _exit(1);
    }
    r.made = json_array();
    if (engine_task_read(&r.task, message, &err) && render_task(&r, &err)) {
        speak_done(&r);
    } else {
        log_error("%s: %s", r.attempt, err.message);
        speak_failed(&r, &err);
    }
    engine_task_finish(&r.task);
    json_decref(r.made);
}

#include "worker/engine_render.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "media/segment_writer.h"
#include "worker/engine_task.h"
#include "worker/pipe.h"
#include "worker/slot_work.h"

#define ALIVE_NS (500 * NS_PER_MS)

struct render {
    const struct render_host *host;
    const char *attempt; /* opaque to the child, repeated in every answer */
    const char *model;
    const char *resume;                     /* or NULL */
    const char *outputs[SLOT_OUTPUT_KINDS]; /* files to write, or NULL */
    struct engine_task task;
    json_t *made; /* the outputs, for `done` */
    int64_t begun_ns;
    int64_t spoke_ns; /* last message about it: "alive" is throttled */
    int step_first, steps_done;
    int frame_first, frame_count; /* of the segment, in the job's */
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

static bool push_frames(struct render *r, struct engine_job *job, struct segment_writer *writer,
                        const struct frames_shape *shape, struct error *err)
{
    uint8_t *rgb = alloc_checked(1, frames_size_bytes(shape), "a frame", err);
    bool ok = rgb != NULL;
    for (int f = 0; ok && f < (int)shape->count; f++) {
        ok = engine_job_decode(job, 0, r->frame_first + f, 1, rgb, err) &&
             segment_writer_push(writer, rgb, err);
        if (ok) speak_frame(r, f + 1);
    }
    free(rgb);
    return ok;
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
    const struct engine_shape job_shape = engine_job_shape(job);
    struct segment_result result;
    struct frames_shape shape;
    if (!engine_task_frames(&r->task, &job_shape, &r->frame_first, &shape, err)) return false;
    r->frame_count = (int)shape.count;
    struct segment_writer *writer = open_writer(r, &shape, err);
    const bool ok = writer && push_frames(r, job, writer, &shape, err) &&
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

static bool (*const writers[SLOT_OUTPUT_KINDS])(struct render *r, struct engine_job *job,
                                                struct error *err) = {
    [SLOT_SEGMENT] = write_segment,
    [SLOT_LATENTS] = write_latents,
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
    struct engine_model *model = r->host->model(r->host->context, r, r->model, loras, err);
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
        !json_get_text_or(message, "resume", NULL, &r.resume, "render", &err) ||
        !json_is_object(json_object_get(message, "outputs")) || !read_outputs(&r, message, &err)) {
        log_error("render: %s", err.code ? err.message : "no outputs");
        _exit(1);
    }
    r.made = json_array();
    if (engine_task_read(&r.task, message, &err) && render_task(&r, &err)) {
        speak_done(&r);
    } else {
        log_error("%s", err.message);
        speak_failed(&r, &err);
    }
    engine_task_finish(&r.task);
    json_decref(r.made);
}

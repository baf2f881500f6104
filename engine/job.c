#include "engine/job.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/checkpoint.h"
#include "engine/loras.h"

#define REQUESTS_MAX 64
#define NAME_SIZE 32

struct engine_job {
    struct engine_model *model;
    struct family_job *state;
    struct engine_shape shape;
    int steps, done;
    atomic_bool cancel;
    engine_progress_fn *progress;
    void *progress_arg;
    struct engine_progress now; /* what a tick within a step or frame reports */
    float *frame;               /* one decoded frame, [3][height][width] */
    struct digest *requests;    /* [shape.requests], for checkpoints */
    struct latents_facts facts; /* of its window; kind, step and steps are filled when written */
    int step_end;               /* of its task */
};

/* ---- making ---- */

static bool parse_requests(const struct engine_model *model, const struct engine_request *asked,
                           int count, struct request *requests, struct error *err)
{
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
    engine_fingerprint(model, fingerprint);
    for (int i = 0; i < count; i++)
        if (!request_parse(&requests[i], model->facts, &asked[i], fingerprint, err) ||
            !loras_check(model->loras, asked[i].recipe, err) ||
            !request_same_shape(&requests[0], &requests[i], err))
            return false;
    return true;
}

/* What files of this job say of it. */
static void say_facts(struct engine_job *job, const struct request_window *w)
{
    const struct engine_shape *s = &job->shape;
    job->facts = (struct latents_facts){.task = (int)w->task.number,
                                        .first = w->first,
                                        .frames = s->frames,
                                        .channels = s->latent_channels,
                                        .height = s->latent_height,
                                        .width = s->latent_width};
    memcpy(job->facts.recipe, w->clip, sizeof job->facts.recipe);
    engine_fingerprint(job->model, job->facts.fingerprint);
    job->step_end = (int)w->task.step_end;
}

static bool fill_job(struct engine_job *job, struct error *err)
{
    const struct family *family = job->model->family;
    size_t count = 3;
    job->shape = family->job_shape(job->state);
    job->steps = family->job_steps(job->state);
    if (!size_mul(count, (size_t)job->shape.width, &count) ||
        !size_mul(count, (size_t)job->shape.height, &count))
        return error_set(err, ERROR_NO_MEMORY, "frames of this size do not fit");
    job->frame = alloc_checked(count, sizeof *job->frame, "frame", err);
    return job->frame != NULL;
}

static struct engine_job *new_job(struct engine_model *model, const struct engine_request *asked,
                                  const struct request *requests, int count, struct error *err)
{
    struct engine_job *job = xcalloc(1, sizeof *job);
    job->model = model;
    model->ops->tick = NULL;
    model->ops->cancel = NULL;
    job->requests = xcalloc((size_t)count, sizeof *job->requests);
    for (int i = 0; i < count; i++)
        job->requests[i] = checkpoint_request_digest(&asked[i], &requests[i]);
    job->state = model->family->job_new(model->state, requests, count, err);
    if (job->state != NULL && fill_job(job, err)) {
        say_facts(job, &requests[0].window);
        return job;
    }
    engine_job_free(job);
    return NULL;
}

struct engine_job *engine_job_new(struct engine_model *model, const struct engine_request *asked,
                                  int count, struct error *err)
{
    struct engine_job *job = NULL;
    if (count < 1 || count > REQUESTS_MAX) {
        error_set(err, ERROR_USAGE, "a job takes 1 to %d requests", REQUESTS_MAX);
        return NULL;
    }
    struct request *requests = xcalloc((size_t)count, sizeof *requests);
    if (parse_requests(model, asked, count, requests, err))
        job = new_job(model, asked, requests, count, err);
    for (int i = 0; i < count; i++)
        request_finish(&requests[i]);
    free(requests);
    return job;
}

void engine_job_free(struct engine_job *job)
{
    if (job == NULL) return;
    if (job->model->ops->cancel == &job->cancel) job->model->ops->cancel = NULL;
    job->model->family->job_free(job->state);
    free(job->frame);
    free(job->requests);
    free(job);
}

void engine_job_watch(struct engine_job *job, engine_progress_fn *progress, void *arg)
{
    job->progress = progress;
    job->progress_arg = arg;
}

void engine_job_cancel(struct engine_job *job)
{
    atomic_store(&job->cancel, true);
}

/* ---- facts ---- */

struct engine_shape engine_job_shape(const struct engine_job *job)
{
    return job->shape;
}

int engine_job_step_count(const struct engine_job *job)
{
    return job->steps;
}

int engine_job_step_index(const struct engine_job *job)
{
    return job->done;
}

double engine_job_timestep(const struct engine_job *job, int step)
{
    ZOE_ASSERT(step >= 0 && step < job->steps);
    return job->model->family->job_timestep(job->state, step);
}

bool engine_job_text(const struct engine_job *job, struct engine_text *out)
{
    const struct family *family = job->model->family;
    return family->job_text != NULL && family->job_text(job->state, out);
}

const float *engine_job_prediction(const struct engine_job *job)
{
    const struct family *family = job->model->family;
    return family->job_prediction != NULL ? family->job_prediction(job->state) : NULL;
}

const char *engine_job_warning(const struct engine_job *job, int index)
{
    const struct family *family = job->model->family;
    return family->job_warning != NULL ? family->job_warning(job->state, index) : NULL;
}

/* ---- working ---- */

static void report(struct engine_job *job, double fraction)
{
    if (job->progress == NULL) return;
    job->now.fraction = fraction;
    job->progress(job->progress_arg, &job->now);
}

static void tick(void *arg, double fraction)
{
    report(arg, fraction);
}

/* The model's operations are shared by its jobs, so each call says anew who is working. */
static struct ops *begin_work(struct engine_job *job, enum engine_phase phase, int done, int total)
{
    struct ops *ops = job->model->ops;
    ops->tick = tick;
    ops->tick_arg = job;
    ops->cancel = &job->cancel;
    job->now = (struct engine_progress){phase, done, total, 0};
    return ops;
}

static void report_done(struct engine_job *job)
{
    job->now.done++;
    report(job, 0);
}

static bool all_finite(const float *values, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static bool check_latents(struct engine_job *job, struct error *err)
{
    for (int i = 0; i < job->shape.requests; i++)
        if (!all_finite(job->model->family->job_latents(job->state, i), job->shape.latent_count))
            return error_set(err, ERROR_FAILED, "step %d of %d: a latent is not finite",
                             job->done + 1, job->steps);
    return true;
}

bool engine_job_step(struct engine_job *job, struct error *err)
{
    if (job->done >= job->steps)
        return error_set(err, ERROR_STATE, "all %d steps are done", job->steps);
    struct ops *ops = begin_work(job, ENGINE_STEP, job->done, job->steps);
    if (!ops_tick(ops, 0, err) || !job->model->family->job_step(job->state, job->done, ops, err) ||
        !check_latents(job, err))
        return false;
    job->done++;
    report_done(job);
    return true;
}

void engine_job_latents_get(const struct engine_job *job, int request, float *out)
{
    ZOE_ASSERT(request >= 0 && request < job->shape.requests);
    memcpy(out, job->model->family->job_latents(job->state, request),
           (size_t)job->shape.latent_count * sizeof *out);
}

bool engine_job_latents_set(struct engine_job *job, int request, const float *latents,
                            struct error *err)
{
    ZOE_ASSERT(request >= 0 && request < job->shape.requests);
    if (!all_finite(latents, job->shape.latent_count))
        return error_set(err, ERROR_INVALID, "a latent is not finite");
    memcpy(job->model->family->job_latents(job->state, request), latents,
           (size_t)job->shape.latent_count * sizeof *latents);
    return true;
}

/* ---- files ---- */

static struct checkpoint_state state_of(const struct engine_job *job)
{
    struct checkpoint_state state = {
        .facts = job->facts, .requests = job->requests, .count = job->shape.requests};
    state.facts.kind = CHECKPOINT_KIND;
    state.facts.step = job->done;
    state.facts.steps = job->steps;
    return state;
}

static void latents_name(int request, char out[NAME_SIZE])
{
    snprintf(out, NAME_SIZE, "latents.%d", request);
}

bool engine_job_save(const struct engine_job *job, const char *path, struct error *err)
{
    const struct family *family = job->model->family;
    const struct checkpoint_state state = state_of(job);
    struct safetensors_writer *w = safetensors_writer_new();
    char name[NAME_SIZE];
    checkpoint_add_state(w, &state);
    for (int i = 0; i < job->shape.requests; i++) {
        latents_name(i, name);
        latents_add_floats(w, name, &job->facts, family->job_latents(job->state, i));
    }
    family->job_save(job->state, w);
    const bool ok = safetensors_writer_save_expendable(w, path, err);
    safetensors_writer_free(w);
    return ok;
}

bool engine_job_hand_over(const struct engine_job *job, const char *path, struct error *err)
{
    const struct family *family = job->model->family;
    if (job->shape.requests != 1)
        return error_set(err, ERROR_STATE, "a job of one request hands its latents over");
    if (job->done < job->steps)
        return error_set(err, ERROR_STATE, "step %d of %d: latents are handed over at the end",
                         job->done, job->steps);
    struct latents_facts facts = job->facts;
    struct safetensors_writer *w = safetensors_writer_new();
    facts.kind = LATENTS_KIND;
    facts.step = facts.steps = job->step_end;
    json_t *state = latents_facts_json(&facts);
    latents_add_state(w, state);
    latents_add_floats(w, "latents", &facts, family->job_latents(job->state, 0));
    if (family->job_hand_over != NULL) family->job_hand_over(job->state, w);
    const bool ok = safetensors_writer_save(w, path, err);
    safetensors_writer_free(w);
    json_decref(state);
    return ok;
}

static bool load(struct engine_job *job, const struct safetensors *file, const char *path,
                 struct error *err)
{
    const struct family *family = job->model->family;
    struct checkpoint_state state = state_of(job);
    char name[NAME_SIZE];
    if (!checkpoint_read_state(file, path, &state, err)) return false;
    for (int i = 0; i < job->shape.requests; i++) {
        latents_name(i, name);
        if (!latents_read_floats(file, path, name, &job->facts, family->job_latents(job->state, i),
                                 err))
            return false;
    }
    if (!family->job_load(job->state, file, path, state.facts.step, err)) return false;
    job->done = state.facts.step;
    return true;
}

bool engine_job_load(struct engine_job *job, const char *path, struct error *err)
{
    struct safetensors *file = safetensors_open(path, err);
    const bool ok = file != NULL && load(job, file, path, err);
    safetensors_close(file);
    return ok;
}

/* ---- frames ---- */

static bool decode_frame(struct engine_job *job, int request, int frame, float *out,
                         struct error *err)
{
    const int64_t count = (int64_t)3 * job->shape.width * job->shape.height;
    struct ops *ops = begin_work(job, ENGINE_DECODE, frame, job->shape.frames);
    if (!ops_tick(ops, 0, err) ||
        !job->model->family->job_decode(job->state, request, frame, ops, out, err))
        return false;
    if (!all_finite(out, count))
        return error_set(err, ERROR_FAILED, "frame %d after step %d of %d: a value is not finite",
                         frame, job->done, job->steps);
    report_done(job);
    return true;
}

/* [3][h][w] in -1 .. 1 to interleaved bytes; nearbyint rounds half to even. */
static void to_bytes(const float *frame, int64_t pixels, uint8_t *rgb)
{
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < 3; c++) {
            const float level = frame[c * pixels + p] * 0.5f + 0.5f;
            const float clamped = level < 0 ? 0 : level > 1 ? 1 : level;
            rgb[3 * p + c] = (uint8_t)nearbyintf(clamped * 255);
        }
}

static void check_range(const struct engine_job *job, int request, int first, int count)
{
    ZOE_ASSERT(request >= 0 && request < job->shape.requests);
    ZOE_ASSERT(first >= 0 && count >= 0 && count <= job->shape.frames - first);
}

bool engine_job_decode(struct engine_job *job, int request, int first, int count, uint8_t *rgb,
                       struct error *err)
{
    const int64_t pixels = (int64_t)job->shape.width * job->shape.height;
    check_range(job, request, first, count);
    for (int i = 0; i < count; i++) {
        if (!decode_frame(job, request, first + i, job->frame, err)) return false;
        to_bytes(job->frame, pixels, rgb + 3 * pixels * i);
    }
    return true;
}

bool engine_job_decode_float(struct engine_job *job, int request, int first, int count, float *out,
                             struct error *err)
{
    const int64_t pixels = (int64_t)job->shape.width * job->shape.height;
    check_range(job, request, first, count);
    for (int i = 0; i < count; i++)
        if (!decode_frame(job, request, first + i, out + 3 * pixels * i, err)) return false;
    return true;
}

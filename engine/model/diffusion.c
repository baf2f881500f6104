#include "engine/model/diffusion_job.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* ---- making ---- */

static bool measure(struct family_job *j, const struct request *r, struct error *err)
{
    const struct diffusion_model *m = j->model;
    size_t count = (size_t)m->latent_channels, bytes;
    j->size = (struct diffusion_size){j->count, r->window.frames, r->height / m->spatial_factor,
                                      r->width / m->spatial_factor};
    if (!size_mul(count, (size_t)j->size.frames, &count) ||
        !size_mul(count, (size_t)j->size.height, &count) ||
        !size_mul(count, (size_t)j->size.width, &count) ||
        !size_mul(count, sizeof(float) * 2 * (size_t)j->count, &bytes))
        return error_set(err, ERROR_NO_MEMORY, "latents of this size do not fit");
    j->latent_count = (int64_t)count;
    return true;
}

static float *floats(size_t count, const char *what, struct error *err)
{
    return alloc_checked(count, sizeof(float), what, err);
}

static bool allocate(struct family_job *j, struct error *err)
{
    const struct diffusion_model *m = j->model;
    const size_t latents = (size_t)j->count * (size_t)j->latent_count;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    const size_t factor = (size_t)m->spatial_factor;
    return (j->latents = floats(latents, "latents", err)) != NULL &&
           (j->prediction = floats(latents, "prediction", err)) != NULL &&
           (j->input = floats(latents, "latents", err)) != NULL &&
           (j->output = floats(latents / (size_t)j->count * (size_t)j->rows, "prediction", err)) !=
               NULL &&
           (j->frame = floats(cells * (size_t)m->latent_channels, "latents", err)) != NULL &&
           (j->pixels = floats(cells * factor * factor * 3, "pixels", err)) != NULL;
}

static void take_window(struct family_job *j, const struct request *r)
{
    const struct request_window *w = &r->window;
    const int skipped = recipe_start_skipped(&r->start, j->steps);
    j->first_frame = w->first;
    j->held_first = w->held_first;
    j->held_last = w->held_last;
    j->walk = (struct diffusion_walk){skipped + w->step_first, w->evaluations, w->jump, w->repeats};
    j->first = w->task.kind == PLAN_JOIN ? j->walk.from : skipped;
    j->leaves = w->task.kind == PLAN_ROUND;
    if (w->reanchors) j->anchors = xcalloc((size_t)j->model->latent_channels, sizeof *j->anchors);
}

struct family_job *diffusion_job_new(void *model, const struct request *requests, int count,
                                     struct error *err)
{
    struct family_job *j = xcalloc(1, sizeof *j);
    j->model = model;
    j->count = count;
    j->steps = requests[0].steps;
    j->sampler = requests[0].sampling.sampler;
    j->noise = requests[0].noise.noise;
    j->loop = requests[0].start.loop;
    take_window(j, &requests[0]);
    diffusion_guidance_begin(j, requests);
    if (measure(j, &requests[0], err) && allocate(j, err) && diffusion_start(j, requests, err) &&
        diffusion_text_begin(j, requests, err))
        return j;
    diffusion_job_free(j);
    return NULL;
}

void diffusion_job_free(struct family_job *j)
{
    if (j == NULL) return;
    diffusion_start_end(j);
    diffusion_text_end(j);
    diffusion_guidance_end(j);
    free(j->anchors);
    free(j->latents);
    free(j->prediction);
    free(j->input);
    free(j->output);
    free(j->frame);
    free(j->pixels);
    for (int i = 0; i < j->warning_count; i++)
        free(j->warnings[i]);
    free(j->warnings);
    free(j);
}

/* ---- facts ---- */

struct engine_shape diffusion_job_shape(const struct family_job *j)
{
    const int factor = j->model->spatial_factor;
    return (struct engine_shape){.requests = j->count,
                                 .latent_channels = j->model->latent_channels,
                                 .frames = j->size.frames,
                                 .latent_height = j->size.height,
                                 .latent_width = j->size.width,
                                 .width = j->size.width * factor,
                                 .height = j->size.height * factor,
                                 .latent_count = j->latent_count};
}

int diffusion_job_steps(const struct family_job *j)
{
    return diffusion_walk_steps(&j->walk);
}

double diffusion_job_timestep(const struct family_job *j, int step)
{
    return j->path->timesteps[diffusion_walk_at(&j->walk, step).index];
}

float *diffusion_job_latents(struct family_job *j, int request)
{
    return j->latents + request * j->latent_count;
}

const float *diffusion_job_prediction(const struct family_job *j)
{
    return j->stepped ? j->prediction : NULL;
}

const char *diffusion_job_warning(const struct family_job *j, int index)
{
    return index < j->warning_count ? j->warnings[index] : NULL;
}

void diffusion_warn(struct family_job *j, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (int i = 0; i < j->warning_count; i++)
        if (strcmp(j->warnings[i], text) == 0) return;
    j->warnings = xrealloc_array(j->warnings, (size_t)j->warning_count + 1, sizeof *j->warnings);
    j->warnings[j->warning_count++] = xstrdup(text);
}

/* ---- frames ---- */

bool diffusion_job_decode(struct family_job *j, int request, int frame, struct ops *ops, float *out,
                          struct error *err)
{
    struct diffusion_model *m = j->model;
    const int64_t cells = (int64_t)j->size.height * j->size.width;
    const float *latents = j->latents + request * j->latent_count + frame * cells;
    const float scale = (float)m->latent_scale;
    (void)ops;
    for (int c = 0; c < m->latent_channels; c++)
        for (int64_t p = 0; p < cells; p++)
            j->frame[p * m->latent_channels + c] = scale * latents[c * j->size.frames * cells + p];
    if (!m->decode(m, j->size.height, j->size.width, j->frame, j->pixels, err)) return false;
    diffusion_channels_first(j->pixels, 3, cells * m->spatial_factor * m->spatial_factor, out);
    return true;
}

#include "engine/model/diffusion.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

struct family_job {
    struct diffusion_model *model;
    int count, rows; /* requests; texts: uncond of each first, then cond of each; cond alone without
                        guidance */
    struct diffusion_size size;
    int64_t latent_count; /* floats of one request */
    int steps;
    double *timesteps;
    const struct sampler *sampler;
    struct sampler_state **samplers; /* per request, as the next two */
    const struct noise *noise;
    struct noise_state **noises;
    double *guidance;
    void *condition;
    int32_t *ids;          /* [rows][tokens] */
    float *embeddings;     /* [rows][tokens][text_channels] */
    float *latents;        /* [count][C][F][h][w] */
    float *prediction;     /* the same shape */
    float *input;          /* [count][F][h][w][C] */
    float *output;         /* [rows][F][h][w][C] */
    float *frame, *pixels; /* of one decoded frame, channels last */
    bool stepped;
};

/* ---- layouts ---- */

/* [C][F][h][w] <-> [F][h][w][C]; plane = F * h * w. */
static void to_channels_last(const float *from, int channels, int64_t plane, float *to)
{
    for (int c = 0; c < channels; c++)
        for (int64_t p = 0; p < plane; p++)
            to[p * channels + c] = from[c * plane + p];
}

static void to_channels_first(const float *from, int channels, int64_t plane, float *to)
{
    for (int c = 0; c < channels; c++)
        for (int64_t p = 0; p < plane; p++)
            to[c * plane + p] = from[p * channels + c];
}

static int64_t plane_of(const struct family_job *j)
{
    return (int64_t)j->size.frames * j->size.height * j->size.width;
}

/* ---- making ---- */

static bool measure(struct family_job *j, const struct request *r, struct error *err)
{
    const struct diffusion_model *m = j->model;
    size_t count = (size_t)m->latent_channels, bytes;
    j->size = (struct diffusion_size){j->count, r->frames, r->height / m->spatial_factor,
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
    const size_t text = (size_t)j->rows * (size_t)m->tokens;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    const size_t factor = (size_t)m->spatial_factor;
    j->timesteps = xcalloc((size_t)j->steps, sizeof *j->timesteps);
    j->samplers = xcalloc((size_t)j->count, sizeof(struct sampler_state *));
    j->noises = xcalloc((size_t)j->count, sizeof(struct noise_state *));
    j->guidance = xcalloc((size_t)j->count, sizeof *j->guidance);
    j->ids = alloc_checked(text, sizeof *j->ids, "tokens", err);
    return j->ids != NULL &&
           (j->embeddings = floats(text * (size_t)m->text_channels, "embeddings", err)) != NULL &&
           (j->latents = floats(latents, "latents", err)) != NULL &&
           (j->prediction = floats(latents, "prediction", err)) != NULL &&
           (j->input = floats(latents, "latents", err)) != NULL &&
           (j->output = floats(latents / (size_t)j->count * (size_t)j->rows, "prediction", err)) !=
               NULL &&
           (j->frame = floats(cells * (size_t)m->latent_channels, "latents", err)) != NULL &&
           (j->pixels = floats(cells * factor * factor * 3, "pixels", err)) != NULL;
}

static bool encode_text(struct family_job *j, int row, const char *text, struct error *err)
{
    struct diffusion_model *m = j->model;
    const size_t tokens = (size_t)row * (size_t)m->tokens;
    return m->encode(m, text, j->ids + tokens, j->embeddings + tokens * (size_t)m->text_channels,
                     err);
}

static bool encode_texts(struct family_job *j, const struct request *requests, struct error *err)
{
    const bool guided = j->rows > j->count;
    for (int i = 0; i < j->count; i++) {
        if (guided && !encode_text(j, i, requests[i].negative, err)) return false;
        if (!encode_text(j, guided ? j->count + i : i, requests[i].prompt, err)) return false;
    }
    j->condition = j->model->condition(j->model, j->embeddings, j->rows, err);
    return j->condition != NULL;
}

static bool begin_samplers(struct family_job *j, const struct request *requests, struct error *err)
{
    const struct noise_schedule *schedule = &j->model->schedule;
    if (!sampler_timesteps(j->sampler, schedule, j->steps, j->timesteps, err)) return false;
    for (int i = 0; i < j->count; i++) {
        const struct sampler_setup setup = {schedule, j->timesteps, j->steps, j->latent_count,
                                            requests[i].eta};
        j->samplers[i] = j->sampler->begin(&setup, err);
        if (j->samplers[i] == NULL) return false;
        j->guidance[i] = requests[i].guidance;
        j->noises[i] = j->noise->begin(requests[i].seed);
        j->noise->normal(j->noises[i], j->latents + i * j->latent_count, (size_t)j->latent_count);
    }
    return true;
}

struct family_job *diffusion_job_new(void *model, const struct request *requests, int count,
                                     struct error *err)
{
    struct family_job *j = xcalloc(1, sizeof *j);
    j->model = model;
    j->count = count;
    j->rows = requests[0].guidance > 1 ? 2 * count : count;
    j->steps = requests[0].steps;
    j->sampler = requests[0].sampler;
    j->noise = requests[0].noise;
    if (measure(j, &requests[0], err) && allocate(j, err) && begin_samplers(j, requests, err) &&
        encode_texts(j, requests, err) && j->model->plan(j->model, &j->size, j->condition, err))
        return j;
    diffusion_job_free(j);
    return NULL;
}

void diffusion_job_free(struct family_job *j)
{
    if (j == NULL) return;
    for (int i = 0; j->samplers != NULL && i < j->count; i++)
        j->sampler->end(j->samplers[i]);
    for (int i = 0; j->noises != NULL && i < j->count; i++)
        j->noise->end(j->noises[i]);
    if (j->condition != NULL) j->model->condition_free(j->model, j->condition);
    free(j->timesteps);
    free(j->samplers);
    free(j->noises);
    free(j->guidance);
    free(j->ids);
    free(j->embeddings);
    free(j->latents);
    free(j->prediction);
    free(j->input);
    free(j->output);
    free(j->frame);
    free(j->pixels);
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
    return j->steps;
}

double diffusion_job_timestep(const struct family_job *j, int step)
{
    return j->timesteps[step];
}

float *diffusion_job_latents(struct family_job *j, int request)
{
    return j->latents + request * j->latent_count;
}

bool diffusion_job_text(const struct family_job *j, struct engine_text *out)
{
    if (j->count != 1) return false;
    *out = (struct engine_text){j->rows, j->model->tokens, j->model->text_channels, j->ids,
                                j->embeddings};
    return true;
}

const float *diffusion_job_prediction(const struct family_job *j)
{
    return j->stepped ? j->prediction : NULL;
}

/* ---- stepping ---- */

/* e = u + g (c - u), back to the latents' layout. */
static void guide(struct family_job *j, int request)
{
    const int channels = j->model->latent_channels;
    float *first = j->output + request * j->latent_count;
    float *prediction = j->prediction + request * j->latent_count;
    if (j->rows > j->count) {
        const float *cond = first + j->count * j->latent_count;
        const float scale = (float)j->guidance[request];
        for (int64_t i = 0; i < j->latent_count; i++)
            first[i] += scale * (cond[i] - first[i]);
    }
    to_channels_first(first, channels, plane_of(j), prediction);
}

struct noise_source {
    struct family_job *job;
    int request;
};

/* The reference's scheduler sees frames as a batch: its noise comes as [F][C][h][w]. */
static void draw_noise(void *arg, float *out)
{
    const struct noise_source *source = arg;
    struct family_job *j = source->job;
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    float *drawn = j->input; /* free between denoising and the next step; one request fits */
    j->noise->normal(j->noises[source->request], drawn, (size_t)j->latent_count);
    for (int f = 0; f < frames; f++)
        for (int c = 0; c < channels; c++)
            memcpy(out + (size_t)(c * frames + f) * cells,
                   drawn + (size_t)(f * channels + c) * cells, cells * sizeof *out);
}

bool diffusion_job_step(struct family_job *j, int index, struct ops *ops, struct error *err)
{
    struct diffusion_model *m = j->model;
    (void)ops;
    for (int i = 0; i < j->count; i++)
        to_channels_last(j->latents + i * j->latent_count, m->latent_channels, plane_of(j),
                         j->input + i * j->latent_count);
    if (!m->denoise(m, &j->size, j->condition, j->timesteps[index], j->input, j->output, err))
        return false;
    for (int i = 0; i < j->count; i++) {
        struct noise_source source = {j, i};
        guide(j, i);
        j->sampler->step(j->samplers[i], index, j->latents + i * j->latent_count,
                         j->prediction + i * j->latent_count, draw_noise, &source);
    }
    j->stepped = true;
    return true;
}

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
    to_channels_first(j->pixels, 3, cells * m->spatial_factor * m->spatial_factor, out);
    return true;
}

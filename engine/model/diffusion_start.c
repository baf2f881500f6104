/* How a job begins: schedule, samplers, generators, first latents. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/model/diffusion_job.h"

static bool begin_solvers(struct family_job *j, const struct request *requests, struct error *err)
{
    const struct noise_schedule *schedule = &j->model->schedule;
    j->samplers = xcalloc((size_t)j->count, sizeof(struct sampler_run *));
    j->noises = xcalloc((size_t)j->count, sizeof(struct noise_state *));
    j->noise_requests = xcalloc((size_t)j->count, sizeof *j->noise_requests);
    j->path = sampler_path_new(j->sampler, schedule, &requests[0].sampling.wish, j->steps, err);
    for (int i = 0; j->path != NULL && i < j->count; i++) {
        const struct sampler_setup setup = {.schedule = schedule,
                                            .path = j->path,
                                            .first = j->first,
                                            .count = j->latent_count,
                                            .eta = requests[i].sampling.eta};
        j->samplers[i] = sampler_begin(&setup, err);
        if (j->samplers[i] == NULL) return false;
        j->noise_requests[i] = requests[i].noise;
        j->noises[i] = j->noise->begin(&requests[i].noise.setup);
    }
    return j->path != NULL;
}

/* Clean latents of the pictures, if any request has some. */
static bool begin_clean(struct family_job *j, const struct request *requests, struct error *err)
{
    bool any = j->held_first + j->held_last > 0, encodes = false;
    for (int i = 0; i < j->count; i++) {
        const struct request_window *w = &requests[i].window;
        any = any || requests[i].start.init;
        encodes = encodes || request_needs_init(&requests[i]) || w->before.data != NULL ||
                  w->before.values != NULL;
    }
    if (!any) return true;
    if (encodes && j->model->encode_pixels == NULL)
        return error_set(err, ERROR_USAGE,
                         "init_video, init_image: this model's VAE has no encoder");
    const size_t count = (size_t)j->count * (size_t)j->latent_count;
    j->clean = alloc_checked(count, sizeof *j->clean, "latents", err);
    if (j->clean != NULL) memset(j->clean, 0, count * sizeof *j->clean);
    return j->clean != NULL;
}

/* latents = noise, or clean latents under as much noise as the first step expects. */
static void mix(struct family_job *j, int request, float *latents)
{
    double clean_gain, noise_gain;
    const float *clean = j->clean + request * j->latent_count;
    sampler_mix(&j->samplers[request]->setup, j->walk.from, &clean_gain, &noise_gain);
    for (int64_t i = 0; i < j->latent_count; i++)
        latents[i] = (float)clean_gain * clean[i] + (float)noise_gain * latents[i];
}

static void scale(struct family_job *j, float *latents)
{
    const float gain = (float)j->path->start_scale;
    for (int64_t i = 0; gain != 1 && i < j->latent_count; i++)
        latents[i] *= gain;
}

static bool begin_request(struct family_job *j, int i, const struct request *r, struct error *err)
{
    float *latents = j->latents + i * j->latent_count;
    const size_t bytes = (size_t)j->latent_count * sizeof *latents;
    const bool mixed = r->window.task.kind == PLAN_JOIN || r->start.mixed;
    if (request_needs_init(r) && !diffusion_init(j, i, r, err)) return false;
    if (!diffusion_window_known(j, i, r, err)) return false;
    if (mixed)
        diffusion_draw_frames(j, i, (struct noise_place){.purpose = NOISE_START}, latents);
    else
        diffusion_draw_start(j, i, latents);
    if (j->fixed != NULL) memcpy(j->fixed + i * j->latent_count, latents, bytes);
    if (mixed)
        mix(j, i, latents);
    else
        scale(j, latents);
    if (request_window_resumes(&r->window) && !diffusion_window_resume(j, i, r, err)) return false;
    diffusion_hold(j, i, j->walk.from);
    return true;
}

bool diffusion_start(struct family_job *j, const struct request *requests, struct error *err)
{
    if (!begin_solvers(j, requests, err) || !diffusion_noise_begin(j, requests, err) ||
        !begin_clean(j, requests, err) || !diffusion_hold_begin(j, requests, err))
        return false;
    for (int i = 0; i < j->count; i++)
        if (!begin_request(j, i, &requests[i], err)) return false;
    return true;
}

void diffusion_start_end(struct family_job *j)
{
    for (int i = 0; j->samplers != NULL && i < j->count; i++)
        sampler_end(j->samplers[i]);
    for (int i = 0; j->noises != NULL && i < j->count; i++)
        j->noise->end(j->noises[i]);
    sampler_path_free(j->path);
    free(j->samplers);
    free(j->noises);
    free(j->noise_requests);
    free(j->clean);
    diffusion_noise_end(j);
    diffusion_hold_end(j);
}

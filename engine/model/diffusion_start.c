/* How a job begins: schedule, samplers, generators, first latents. */
#include "engine/model/diffusion_job.h"

#include "base/xalloc.h"

bool diffusion_start(struct family_job *j, const struct request *requests, struct error *err)
{
    const struct noise_schedule *schedule = &j->model->schedule;
    j->timesteps = xcalloc((size_t)j->steps, sizeof *j->timesteps);
    j->samplers = xcalloc((size_t)j->count, sizeof(struct sampler_state *));
    j->noises = xcalloc((size_t)j->count, sizeof(struct noise_state *));
    if (!sampler_timesteps(j->sampler, schedule, j->steps, j->timesteps, err)) return false;
    for (int i = 0; i < j->count; i++) {
        const struct sampler_setup setup = {schedule, j->timesteps, j->steps, j->latent_count,
                                            requests[i].eta};
        j->samplers[i] = j->sampler->begin(&setup, err);
        if (j->samplers[i] == NULL) return false;
        j->noises[i] = j->noise->begin(requests[i].seed);
        j->noise->normal(j->noises[i], j->latents + i * j->latent_count, (size_t)j->latent_count);
    }
    return true;
}

/* How a job begins: schedule, samplers, generators, first latents. */
#include "engine/model/diffusion_job.h"

#include "base/xalloc.h"

bool diffusion_start(struct family_job *j, const struct request *requests, struct error *err)
{
    const struct noise_schedule *schedule = &j->model->schedule;
    j->samplers = xcalloc((size_t)j->count, sizeof(struct sampler_run *));
    j->noises = xcalloc((size_t)j->count, sizeof(struct noise_state *));
    j->path = sampler_path_new(j->sampler, schedule, j->steps, err);
    if (j->path == NULL) return false;
    for (int i = 0; i < j->count; i++) {
        const struct sampler_setup setup = {.schedule = schedule,
                                            .path = j->path,
                                            .count = j->latent_count,
                                            .eta = requests[i].eta};
        j->samplers[i] = sampler_begin(&setup, err);
        if (j->samplers[i] == NULL) return false;
        j->noises[i] = j->noise->begin(requests[i].seed);
        j->noise->normal(j->noises[i], j->latents + i * j->latent_count, (size_t)j->latent_count);
    }
    return true;
}

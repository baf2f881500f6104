#include <string.h>

#include "engine/sampler/sampler.h"

extern const struct sampler sampler_ddim, sampler_dpmpp_2m;

/* One row a sampler. */
static const struct sampler *const samplers[] = {
    &sampler_ddim,
    &sampler_dpmpp_2m,
};

#define SAMPLER_COUNT ((int)(sizeof samplers / sizeof samplers[0]))

const struct sampler *sampler_find(const char *name)
{
    for (int i = 0; i < SAMPLER_COUNT; i++)
        if (strcmp(samplers[i]->name, name) == 0) return samplers[i];
    return NULL;
}

const struct sampler *sampler_find_class(const char *class_name)
{
    for (int i = 0; i < SAMPLER_COUNT; i++)
        if (strcmp(samplers[i]->scheduler, class_name) == 0) return samplers[i];
    return NULL;
}

const struct sampler *const *sampler_all(int *count_out)
{
    *count_out = SAMPLER_COUNT;
    return samplers;
}

bool sampler_timesteps(const struct sampler *sampler, const struct noise_schedule *schedule,
                       int steps, double *timesteps, struct error *err)
{
    const struct noise_schedule_spacing *spacing = schedule->spacing;
    if (spacing == NULL) spacing = noise_schedule_spacing_find(sampler->spacing);
    const struct noise_schedule_spacing_args args = {schedule->train_steps, steps,
                                                     schedule->steps_offset, sampler->counts_end};
    if (steps >= 1 && spacing->fill(&args, timesteps)) return true;
    return error_set(err, ERROR_USAGE,
                     "num_inference_steps: %d steps of %s do not fit %d training steps", steps,
                     sampler->name, schedule->train_steps);
}

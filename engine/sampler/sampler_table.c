#include <string.h>

#include "engine/sampler/sampler.h"

extern const struct sampler sampler_ddim, sampler_dpmpp_2m, sampler_dpmpp_2m_sde, sampler_euler,
    sampler_euler_ancestral, sampler_unipc, sampler_lcm;

/* One row a sampler. */
static const struct sampler *const samplers[] = {
    &sampler_ddim,  &sampler_dpmpp_2m,        &sampler_dpmpp_2m_sde,
    &sampler_euler, &sampler_euler_ancestral, &sampler_unipc,
    &sampler_lcm,
};

#define SAMPLER_COUNT ((int)(sizeof samplers / sizeof samplers[0]))

const struct sampler *sampler_find(const char *name)
{
    for (int i = 0; i < SAMPLER_COUNT; i++)
        if (strcmp(samplers[i]->name, name) == 0) return samplers[i];
    return NULL;
}

const struct sampler *const *sampler_all(int *count_out)
{
    *count_out = SAMPLER_COUNT;
    return samplers;
}

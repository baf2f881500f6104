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

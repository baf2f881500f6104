#include <string.h>

#include "engine/noise/noise.h"

extern const struct noise noise_torch_cpu, noise_torch_cpu_f16, noise_torch_cpu_bf16, noise_philox,
    noise_cuda, noise_indexed;

/* One row a generator; the first is the default. */
static const struct noise *const noises[] = {
    &noise_torch_cpu, &noise_torch_cpu_f16, &noise_torch_cpu_bf16,
    &noise_philox,    &noise_cuda,          &noise_indexed,
};

#define NOISE_COUNT ((int)(sizeof noises / sizeof noises[0]))

const struct noise *noise_find(const char *name)
{
    for (int i = 0; i < NOISE_COUNT; i++)
        if (strcmp(noises[i]->name, name) == 0) return noises[i];
    return NULL;
}

const struct noise *const *noise_all(int *count_out)
{
    *count_out = NOISE_COUNT;
    return noises;
}

/* Euler's method on the probability flow: T. Karras et al., "Elucidating the Design Space of
 * Diffusion-Based Generative Models", 2022, algorithm 2 without churn and second order. Keeps
 * nothing. */
#include "engine/sampler/sampler.h"

static void step(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_path *path = run->setup.path;
    const struct sampler_clean say = sampler_clean_at(path, index);
    const float sigma = (float)path->sigmas[index];
    const float change = (float)(path->sigmas[index + 1] - path->sigmas[index]);
    (void)noise;
    (void)noise_arg;
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = sampler_clean(&say, x[i], prediction[i]);
        x[i] += (x[i] - clean) / sigma * change;
    }
}

extern const struct sampler sampler_euler;
const struct sampler sampler_euler = {
    .name = "euler",
    .spacing = "linspace",
    .fractional = true,
    .karras = true,
    .sigma_space = true,
    .draws = SAMPLER_DRAWS_NOTHING,
    .step = step,
};

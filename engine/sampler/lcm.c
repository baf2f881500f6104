/* Latent consistency models, for weights distilled so: S. Luo et al., "Latent Consistency Models",
 * 2023, algorithm 3: each step predicts the clean latents and noises them anew. Keeps nothing. */
#include <math.h>

#include "engine/sampler/sampler.h"

#define SIGMA_DATA 0.5
#define TIMESTEP_SCALING 10.0

static void step(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_path *path = run->setup.path;
    const struct sampler_clean say = sampler_clean_at(path, index);
    const double t = path->timesteps[index] * TIMESTEP_SCALING;
    const double norm = t * t + SIGMA_DATA * SIGMA_DATA;
    const float through = (float)(SIGMA_DATA * SIGMA_DATA / norm), gain = (float)(t / sqrt(norm));
    const bool last = index == path->steps - 1;
    const struct sampler_point to = sampler_point_at(path, index + 1);
    if (!last) noise(noise_arg, run->noise);
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = sampler_clean(&say, x[i], prediction[i]);
        const float kept = gain * clean + through * x[i];
        x[i] = last ? kept : (float)to.alpha * kept + (float)to.sigma * run->noise[i];
    }
}

extern const struct sampler sampler_lcm;
const struct sampler sampler_lcm = {
    .name = "lcm",
    .spacing = "distilled",
    .fixed_spacing = true,
    .draws = SAMPLER_DRAWS_ALWAYS,
    .step = step,
};

/* DPM-Solver++(2M), midpoint: C. Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of
 * Diffusion Probabilistic Models", 2022, algorithm 2. First order at the first step and at the
 * last, whose sigma is 0. Keeps the clean latents predicted one step ago. */
#include <math.h>

#include "engine/sampler/sampler.h"

static void dpmpp_step(struct sampler_run *run, int index, float *x, const float *prediction,
                       sampler_noise_fn *noise, void *noise_arg)
{
    (void)noise;
    (void)noise_arg;
    const struct sampler_path *path = run->setup.path;
    const struct sampler_point from = sampler_point_at(path, index),
                               to = sampler_point_at(path, index + 1);
    const struct sampler_clean say = sampler_clean_at(path, index);
    const double h = to.lambda - from.lambda;
    const float keep = (float)(to.sigma / from.sigma);
    const float gain = (float)(-to.alpha * expm1(-h));
    const float share = (float)sampler_second_order_share(run, index, h);
    float *previous = run->kept[0];
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = sampler_clean(&say, x[i], prediction[i]);
        const float change = share * (clean - previous[i]);
        x[i] = keep * x[i] + gain * (clean + change);
        previous[i] = clean;
    }
    run->filled = 1;
}

extern const struct sampler sampler_dpmpp_2m;
const struct sampler sampler_dpmpp_2m = {
    .name = "dpm++",
    .spacing = "linspace",
    .counts_end = true,
    .karras = true,
    .draws = SAMPLER_DRAWS_NOTHING,
    .kept = 1,
    .step = dpmpp_step,
};

/* SDE-DPM-Solver++(2M): C. Lu et al., "DPM-Solver++", 2022, section 5: as dpm++, with fresh noise
 * in every step, also the last, where it counts nothing. Keeps the clean latents predicted one step
 * ago. */
#include <math.h>

#include "engine/sampler/sampler.h"

static void step(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_path *path = run->setup.path;
    const struct sampler_point from = sampler_point_at(path, index),
                               to = sampler_point_at(path, index + 1);
    const struct sampler_clean say = sampler_clean_at(path, index);
    const double h = to.lambda - from.lambda, fresh = -expm1(-2 * h);
    const float keep = (float)(to.sigma / from.sigma * exp(-h)), gain = (float)(to.alpha * fresh);
    const float share = (float)sampler_second_order_share(run, index, h);
    const float spread = (float)(to.sigma * sqrt(fresh));
    float *previous = run->kept[0];
    noise(noise_arg, run->noise);
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = sampler_clean(&say, x[i], prediction[i]);
        const float change = share * (clean - previous[i]);
        x[i] = keep * x[i] + gain * (clean + change) + spread * run->noise[i];
        previous[i] = clean;
    }
    run->filled = 1;
}

extern const struct sampler sampler_dpmpp_2m_sde;
const struct sampler sampler_dpmpp_2m_sde = {
    .name = "dpm++-sde",
    .spacing = "linspace",
    .counts_end = true,
    .karras = true,
    .draws = SAMPLER_DRAWS_ALWAYS,
    .draws_float = true,
    .kept = 1,
    .step = step,
};

/* Euler's method with ancestral noise: each step goes below its noise level and comes back with
 * fresh noise, as K. Crowson's k-diffusion has it. Noise is drawn in the last step too, where it
 * counts nothing. Keeps nothing. */
#include <math.h>

#include "engine/sampler/sampler.h"

static void step(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_path *path = run->setup.path;
    const struct sampler_clean say = sampler_clean_at(path, index);
    const double from = path->sigmas[index], to = path->sigmas[index + 1];
    const double up = sqrt(to * to * (from * from - to * to) / (from * from));
    const float change = (float)(sqrt(to * to - up * up) - from), sigma = (float)from;
    noise(noise_arg, run->noise);
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = sampler_clean(&say, x[i], prediction[i]);
        x[i] += (x[i] - clean) / sigma * change + (float)up * run->noise[i];
    }
}

extern const struct sampler sampler_euler_ancestral;
const struct sampler sampler_euler_ancestral = {
    .name = "euler-a",
    .spacing = "linspace",
    .fractional = true,
    .sigma_space = true,
    .draws = SAMPLER_DRAWS_ALWAYS,
    .step = step,
};

/* DPM-Solver++(2M), midpoint: C. Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of
 * Diffusion Probabilistic Models", 2022, algorithm 2. First order at the first step and at the
 * last, whose sigma is 0. Keeps the clean latents predicted one step ago. */
#include <math.h>

#include "engine/sampler/sampler.h"

struct point { /* of the noise schedule: x = alpha * clean + sigma * noise */
    double alpha, sigma, lambda;
};

static struct point point_of(double sigma)
{
    const double alpha = 1 / sqrt(sigma * sigma + 1);
    /* log of 0 is -inf, and lambda then +inf: exp(-h) becomes 0 as it should. */
    return (struct point){alpha, sigma * alpha, log(alpha) - log(sigma * alpha)};
}

/* Half of 1 / r0: how much of the difference to the previous prediction is added; 0 for first
 * order. */
static double second_order_share(const struct sampler_run *run, int index, double h)
{
    const double *sigmas = run->setup.path->sigmas;
    if (run->filled == 0 || index == run->setup.path->steps - 1) return 0;
    const double before = point_of(sigmas[index]).lambda - point_of(sigmas[index - 1]).lambda;
    return 0.5 * h / before;
}

static void dpmpp_step(struct sampler_run *run, int index, float *x, const float *prediction,
                       sampler_noise_fn *noise, void *noise_arg)
{
    (void)noise;
    (void)noise_arg;
    const double *sigmas = run->setup.path->sigmas;
    const struct point from = point_of(sigmas[index]), to = point_of(sigmas[index + 1]);
    const double h = to.lambda - from.lambda;
    const float keep = (float)(to.sigma / from.sigma);
    const float gain = (float)(-to.alpha * expm1(-h));
    const float share = (float)second_order_share(run, index, h);
    const float alpha = (float)from.alpha, sigma = (float)from.sigma;
    float *previous = run->kept[0];
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float clean = (x[i] - sigma * prediction[i]) / alpha;
        const float change = share * (clean - previous[i]);
        x[i] = keep * x[i] + gain * (clean + change);
        previous[i] = clean;
    }
    run->filled = 1;
}

extern const struct sampler sampler_dpmpp_2m;
const struct sampler sampler_dpmpp_2m = {
    .name = "dpm++",
    .scheduler = "DPMSolverMultistepScheduler",
    .spacing = "linspace",
    .counts_end = true,
    .draws = SAMPLER_DRAWS_NOTHING,
    .kept = 1,
    .step = dpmpp_step,
};

/* DPM-Solver++(2M), midpoint: C. Lu et al., "DPM-Solver++: Fast Solver for Guided Sampling of
 * Diffusion Probabilistic Models", 2022, algorithm 2. First order at the first step and at the
 * last, whose sigma is 0. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/sampler/sampler.h"

struct sampler_state {
    struct sampler_setup setup;
    double *sigmas;  /* [steps + 1], the last is 0 */
    float *previous; /* the clean latents predicted one step ago */
};

static void dpmpp_end(struct sampler_state *s)
{
    if (s == NULL) return;
    free(s->sigmas);
    free(s->previous);
    free(s);
}

static struct sampler_state *dpmpp_begin(const struct sampler_setup *setup, struct error *err)
{
    struct sampler_state *s = xcalloc(1, sizeof *s);
    s->setup = *setup;
    s->sigmas = xcalloc((size_t)setup->steps + 1, sizeof *s->sigmas);
    for (int i = 0; i < setup->steps; i++) {
        const double alpha = setup->schedule->alphas_cumprod[(int)setup->timesteps[i]];
        s->sigmas[i] = sqrt((1 - alpha) / alpha);
    }
    s->previous = alloc_checked((size_t)setup->count, sizeof *s->previous, "solver history", err);
    if (s->previous != NULL) return s;
    dpmpp_end(s);
    return NULL;
}

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
static double second_order_share(const struct sampler_state *s, int index, double h)
{
    if (index == 0 || index == s->setup.steps - 1) return 0;
    const double before = point_of(s->sigmas[index]).lambda - point_of(s->sigmas[index - 1]).lambda;
    return 0.5 * h / before;
}

static void dpmpp_step(struct sampler_state *s, int index, float *x, const float *prediction,
                       sampler_noise_fn *noise, void *noise_arg)
{
    (void)noise;
    (void)noise_arg;
    const struct point from = point_of(s->sigmas[index]), to = point_of(s->sigmas[index + 1]);
    const double h = to.lambda - from.lambda;
    const float keep = (float)(to.sigma / from.sigma);
    const float gain = (float)(-to.alpha * expm1(-h));
    const float share = (float)second_order_share(s, index, h);
    const float alpha = (float)from.alpha, sigma = (float)from.sigma;
    for (int64_t i = 0; i < s->setup.count; i++) {
        const float clean = (x[i] - sigma * prediction[i]) / alpha;
        const float change = share * (clean - s->previous[i]);
        x[i] = keep * x[i] + gain * (clean + change);
        s->previous[i] = clean;
    }
}

extern const struct sampler sampler_dpmpp_2m;
const struct sampler sampler_dpmpp_2m = {
    .name = "dpm++",
    .scheduler = "DPMSolverMultistepScheduler",
    .spacing = "linspace",
    .counts_end = true,
    .takes_eta = false,
    .begin = dpmpp_begin,
    .end = dpmpp_end,
    .step = dpmpp_step,
};

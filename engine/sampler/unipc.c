/* UniPC of order 2 with B(h) = e^h - 1 ("bh2"), predicting clean latents: W. Zhao et al., "UniPC: A
 * Unified Predictor-Corrector Framework for Fast Sampling of Diffusion Models", 2023, algorithms 5
 * to 8. Each step corrects the latents with what the network says of them, then predicts the next
 * ones. Keeps the two last clean predictions and the last corrected latents. */
#include <math.h>

#include "engine/sampler/sampler.h"

enum { LAST, BEFORE, CORRECTED }; /* what is where in the history */

#define ORDER_MAX 2

static int order_at(const struct sampler_run *run, int index)
{
    const int to_end = run->setup.path->steps - index, warm = index - run->setup.first + 1;
    const int order = to_end < ORDER_MAX ? to_end : ORDER_MAX;
    return warm < order ? warm : order;
}

/* What one update from step s to the next has in common for predictor and corrector; hh = -h. */
struct update {
    double keep, phi, gain; /* x = keep * x - phi * last + ... */
    double hh, ratio;       /* ratio: distance to the step before, in units of h */
};

static struct update update_between(const struct sampler_path *path, int from, int order)
{
    const struct sampler_point s = sampler_point_at(path, from),
                               t = sampler_point_at(path, from + 1);
    const double h = t.lambda - s.lambda;
    struct update u = {.keep = t.sigma / s.sigma, .hh = -h};
    u.phi = t.alpha * expm1(u.hh);
    u.gain = t.alpha * expm1(u.hh);
    if (order > 1) u.ratio = (sampler_point_at(path, from - 1).lambda - s.lambda) / h;
    return u;
}

/* Shares of the difference to the step before and of that to the new prediction: the solution of
 * [[1, 1], [r, 1]] (a, b) = (b1, b2). */
static void corrector_shares(const struct update *u, int order, double *before, double *now)
{
    const double b = expm1(u->hh), first = b / u->hh - 1, second = first / u->hh - 0.5;
    *before = 0;
    *now = 0.5;
    if (order < 2) return;
    *before = (first / b - 2 * second / b) / (1 - u->ratio);
    *now = first / b - *before;
}

/* x becomes the latents that the last step should have reached, knowing what is said of them. */
static void correct(struct sampler_run *run, int index, const float *clean, float *x)
{
    const int order = order_at(run, index - 1);
    const struct update u = update_between(run->setup.path, index - 1, order);
    double before, now;
    corrector_shares(&u, order, &before, &now);
    const float keep = (float)u.keep, phi = (float)u.phi;
    const float to_before = order > 1 ? (float)(u.gain * before / u.ratio) : 0;
    const float to_now = (float)(u.gain * now);
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float last = run->kept[LAST][i];
        const float change = to_before * (run->kept[BEFORE][i] - last) + to_now * (clean[i] - last);
        x[i] = keep * run->kept[CORRECTED][i] - phi * last - change;
    }
}

/* History moves up: the new prediction is the last one. x is what was corrected. */
static void remember(struct sampler_run *run, float *clean, const float *x)
{
    for (int64_t i = 0; i < run->setup.count; i++) {
        run->kept[BEFORE][i] = run->kept[LAST][i];
        run->kept[LAST][i] = clean[i];
        run->kept[CORRECTED][i] = x[i];
    }
    if (run->filled < ORDER_MAX) run->filled++;
}

static void predict(struct sampler_run *run, int index, float *x)
{
    const int order = order_at(run, index);
    const struct update u = update_between(run->setup.path, index, order);
    const float keep = (float)u.keep, phi = (float)u.phi;
    const float to_before = order > 1 ? (float)(u.gain * 0.5 / u.ratio) : 0;
    for (int64_t i = 0; i < run->setup.count; i++) {
        const float last = run->kept[LAST][i];
        const float change = to_before != 0 ? to_before * (run->kept[BEFORE][i] - last) : 0;
        x[i] = keep * x[i] - phi * last - change;
    }
}

static void step(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_clean say = sampler_clean_at(run->setup.path, index);
    float *clean = run->noise;
    (void)noise;
    (void)noise_arg;
    for (int64_t i = 0; i < run->setup.count; i++)
        clean[i] = sampler_clean(&say, x[i], prediction[i]);
    if (index > run->setup.first) correct(run, index, clean, x);
    remember(run, clean, x);
    predict(run, index, x);
}

extern const struct sampler sampler_unipc;
const struct sampler sampler_unipc = {
    .name = "unipc",
    .spacing = "linspace",
    .counts_end = true,
    .karras = true,
    .draws = SAMPLER_DRAWS_NOTHING,
    .kept = 3,
    .scratch = true,
    .step = step,
};

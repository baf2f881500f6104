/* What all samplers share: the state of a run, and what its latents look like between steps. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/sampler/sampler.h"

static bool draws_noise(const struct sampler_setup *setup)
{
    const enum sampler_draws draws = setup->path->sampler->draws;
    return draws == SAMPLER_DRAWS_ALWAYS || (draws == SAMPLER_DRAWS_WITH_ETA && setup->eta > 0);
}

static bool allocate(struct sampler_run *run, struct error *err)
{
    const size_t count = (size_t)run->setup.count;
    for (int i = 0; i < run->setup.path->sampler->kept; i++) {
        run->kept[i] = alloc_checked(count, sizeof *run->kept[i], "solver history", err);
        if (run->kept[i] == NULL) return false;
    }
    if (!draws_noise(&run->setup) && !run->setup.path->sampler->scratch) return true;
    run->noise = alloc_checked(count, sizeof *run->noise, "noise", err);
    return run->noise != NULL;
}

struct sampler_run *sampler_begin(const struct sampler_setup *setup, struct error *err)
{
    struct sampler_run *run = xcalloc(1, sizeof *run);
    run->setup = *setup;
    if (allocate(run, err)) return run;
    sampler_end(run);
    return NULL;
}

void sampler_end(struct sampler_run *run)
{
    if (run == NULL) return;
    for (int i = 0; i < SAMPLER_KEPT_MAX; i++)
        free(run->kept[i]);
    free(run->noise);
    free(run);
}

void sampler_restart(struct sampler_run *run, int index)
{
    run->setup.first = index;
    run->filled = 0;
}

void sampler_step(struct sampler_run *run, int index, float *x, const float *prediction,
                  sampler_noise_fn *noise, void *noise_arg)
{
    run->setup.path->sampler->step(run, index, x, prediction, noise, noise_arg);
}

double sampler_scale_input(const struct sampler_path *path, int index)
{
    const double sigma = path->sigmas[index];
    return path->sampler->sigma_space ? 1 / sqrt(sigma * sigma + 1) : 1;
}

struct sampler_clean sampler_clean_at(const struct sampler_path *path, int index)
{
    const double sigma = path->sigmas[index], alpha = 1 / sqrt(sigma * sigma + 1);
    const bool v = path->prediction == NOISE_PREDICTION_V;
    if (!path->sampler->sigma_space)
        return v ? (struct sampler_clean){(float)alpha, (float)(sigma * alpha), 1}
                 : (struct sampler_clean){1, (float)(sigma * alpha), (float)alpha};
    return v ? (struct sampler_clean){(float)(alpha * alpha), (float)(sigma * alpha), 1}
             : (struct sampler_clean){1, (float)sigma, 1};
}

struct sampler_point sampler_point_at(const struct sampler_path *path, int index)
{
    const double sigma = path->sigmas[index], alpha = 1 / sqrt(sigma * sigma + 1);
    /* log of 0 is -inf, and lambda then +inf: exp(-h) becomes 0 as it should. */
    return (struct sampler_point){alpha, sigma * alpha, log(alpha) - log(sigma * alpha)};
}

double sampler_second_order_share(const struct sampler_run *run, int index, double h)
{
    const struct sampler_path *path = run->setup.path;
    if (run->filled == 0 || index == path->steps - 1) return 0;
    const double before =
        sampler_point_at(path, index).lambda - sampler_point_at(path, index - 1).lambda;
    return 0.5 * h / before;
}

void sampler_mix(const struct sampler_setup *setup, int index, double *clean_gain,
                 double *noise_gain)
{
    const double sigma = index < setup->path->steps ? setup->path->sigmas[index] : 0;
    const double shrink = setup->path->sampler->sigma_space ? 1 : 1 / sqrt(sigma * sigma + 1);
    *clean_gain = shrink;
    *noise_gain = sigma * shrink;
}

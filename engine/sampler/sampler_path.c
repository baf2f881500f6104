/* Which noise levels a sampler visits on a folder's schedule. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/sampler/sampler.h"

#define KARRAS_RHO 7.0 /* the paper's */

static bool fill_timesteps(struct sampler_path *path, const struct noise_schedule *schedule,
                           const struct noise_schedule_spacing *spacing, struct error *err)
{
    const struct noise_schedule_spacing_args args = {.train_steps = schedule->train_steps,
                                                     .steps = path->steps,
                                                     .offset = schedule->steps_offset,
                                                     .fractional = path->sampler->fractional,
                                                     .counts_end = path->sampler->counts_end};
    if (path->steps >= 1 && spacing->fill(&args, path->timesteps)) return true;
    return error_set(err, ERROR_USAGE,
                     "num_inference_steps: %d steps of %s do not fit %d training steps",
                     path->steps, path->sampler->name, schedule->train_steps);
}

static double table_sigma(const struct noise_schedule *schedule, int step)
{
    const double alpha = schedule->alphas_cumprod[step];
    return sqrt((1 - alpha) / alpha);
}

/* Between two training steps the sigma lies on a straight line. */
static double sigma_at(const struct noise_schedule *schedule, double timestep)
{
    const int below = (int)timestep;
    const double share = timestep - below, sigma = table_sigma(schedule, below);
    return share > 0 ? sigma + share * (table_sigma(schedule, below + 1) - sigma) : sigma;
}

/* The timestep of a sigma, on straight lines between logarithms. */
static double timestep_of(const struct noise_schedule *schedule, double sigma)
{
    int low = 0;
    if (schedule->train_steps < 2) return 0;
    while (low < schedule->train_steps - 2 && table_sigma(schedule, low + 1) <= sigma)
        low++;
    const double from = log(table_sigma(schedule, low)), to = log(table_sigma(schedule, low + 1));
    const double share = (log(sigma) - from) / (to - from);
    return low + fmin(fmax(share, 0), 1);
}

/* T. Karras et al., "Elucidating the Design Space of Diffusion-Based Generative Models", 2022,
 * equation 5. Whole timesteps go with the ends of the table, fractional ones with those of the
 * spacing. */
static void space_as_karras(struct sampler_path *path, const struct noise_schedule *schedule)
{
    const bool fractional = path->sampler->fractional;
    const int last = path->steps - 1;
    const double most =
        fractional ? path->sigmas[0] : table_sigma(schedule, schedule->train_steps - 1);
    const double least = fractional ? path->sigmas[last] : table_sigma(schedule, 0);
    const double from = pow(most, 1 / KARRAS_RHO), to = pow(least, 1 / KARRAS_RHO);
    for (int i = 0; i <= last; i++) {
        const double ramp = last > 0 ? (double)i / last : 0;
        path->sigmas[i] = pow(from + ramp * (to - from), KARRAS_RHO);
        const double t = timestep_of(schedule, path->sigmas[i]);
        path->timesteps[i] = fractional ? (double)(float)t : nearbyint(t);
    }
}

static void fill_sigmas(struct sampler_path *path, const struct noise_schedule *schedule,
                        const struct sampler_wish *wish)
{
    const bool wanted =
        wish->karras == SAMPLER_AS_FOLDER ? schedule->karras : wish->karras == SAMPLER_ON;
    for (int i = 0; i < path->steps; i++)
        path->sigmas[i] = sigma_at(schedule, path->timesteps[i]);
    if (wanted && path->sampler->karras) space_as_karras(path, schedule);
}

/* Leading starts below the last training step, so there the clean latents' own spread is added. */
static double start_scale(const struct sampler_path *path,
                          const struct noise_schedule_spacing *spacing)
{
    const double most = path->sigmas[0];
    if (!path->sampler->sigma_space) return 1;
    return strcmp(spacing->name, "leading") == 0 ? sqrt(most * most + 1) : most;
}

static const struct noise_schedule_spacing *choose_spacing(const struct sampler *sampler,
                                                           const struct noise_schedule *schedule,
                                                           const struct sampler_wish *wish)
{
    if (!sampler->fixed_spacing && wish->spacing != NULL) return wish->spacing;
    if (!sampler->fixed_spacing && schedule->spacing != NULL) return schedule->spacing;
    return noise_schedule_spacing_find(sampler->spacing);
}

static enum noise_prediction choose_prediction(const struct noise_schedule *schedule,
                                               const struct sampler_wish *wish)
{
    if (wish->v == SAMPLER_AS_FOLDER) return schedule->prediction;
    return wish->v == SAMPLER_ON ? NOISE_PREDICTION_V : NOISE_PREDICTION_EPSILON;
}

struct sampler_path *sampler_path_new(const struct sampler *sampler,
                                      const struct noise_schedule *schedule,
                                      const struct sampler_wish *wish, int steps, struct error *err)
{
    struct sampler_path *path = xcalloc(1, sizeof *path);
    const struct noise_schedule_spacing *spacing = choose_spacing(sampler, schedule, wish);
    const size_t count = steps > 0 ? (size_t)steps : 0;
    path->sampler = sampler;
    path->steps = steps;
    path->prediction = choose_prediction(schedule, wish);
    path->timesteps = xcalloc(count + 1, sizeof *path->timesteps);
    path->sigmas = xcalloc(count + 1, sizeof *path->sigmas);
    if (fill_timesteps(path, schedule, spacing, err)) {
        fill_sigmas(path, schedule, wish);
        path->start_scale = start_scale(path, spacing);
        return path;
    }
    sampler_path_free(path);
    return NULL;
}

void sampler_path_free(struct sampler_path *path)
{
    if (path == NULL) return;
    free(path->timesteps);
    free(path->sigmas);
    free(path);
}

/* Which noise levels a sampler visits on a folder's schedule. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/sampler/sampler.h"

static bool fill_timesteps(struct sampler_path *path, const struct noise_schedule *schedule,
                           struct error *err)
{
    const struct noise_schedule_spacing *spacing = schedule->spacing;
    if (spacing == NULL) spacing = noise_schedule_spacing_find(path->sampler->spacing);
    const struct noise_schedule_spacing_args args = {
        schedule->train_steps, path->steps, schedule->steps_offset, path->sampler->counts_end};
    if (path->steps >= 1 && spacing->fill(&args, path->timesteps)) return true;
    return error_set(err, ERROR_USAGE,
                     "num_inference_steps: %d steps of %s do not fit %d training steps",
                     path->steps, path->sampler->name, schedule->train_steps);
}

static void fill_sigmas(struct sampler_path *path, const struct noise_schedule *schedule)
{
    for (int i = 0; i < path->steps; i++) {
        const double alpha = schedule->alphas_cumprod[(int)path->timesteps[i]];
        path->sigmas[i] = sqrt((1 - alpha) / alpha);
    }
}

struct sampler_path *sampler_path_new(const struct sampler *sampler,
                                      const struct noise_schedule *schedule, int steps,
                                      struct error *err)
{
    struct sampler_path *path = xcalloc(1, sizeof *path);
    const size_t count = steps > 0 ? (size_t)steps : 0;
    path->sampler = sampler;
    path->steps = steps;
    path->timesteps = xcalloc(count + 1, sizeof *path->timesteps);
    path->sigmas = xcalloc(count + 1, sizeof *path->sigmas);
    if (fill_timesteps(path, schedule, err)) {
        fill_sigmas(path, schedule);
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

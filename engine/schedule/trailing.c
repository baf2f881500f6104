/* trailing: evenly backwards from the last training step, which is always visited. */
#include <math.h>

#include "engine/schedule/noise_schedule.h"

static bool fill(const struct noise_schedule_spacing_args *a, double *timesteps)
{
    const double stride = (double)a->train_steps / a->steps;
    if (a->steps > a->train_steps) return false;
    for (int i = 0; i < a->steps; i++)
        timesteps[i] = nearbyint(a->train_steps - i * stride) - 1;
    return true;
}

extern const struct noise_schedule_spacing noise_schedule_trailing;
const struct noise_schedule_spacing noise_schedule_trailing = {"trailing", fill};

/* trailing: evenly backwards from the last training step, which is always visited. The stride is
 * what numpy.arange takes: how far its second value is from its first, whose last digits decide
 * which way halves are rounded (48 steps: 937.5). Where arange runs past the end for those digits'
 * sake and gives a step more (61 steps, 103, ...), we do not. */
#include <math.h>

#include "engine/schedule/noise_schedule.h"

static bool fill(const struct noise_schedule_spacing_args *a, double *timesteps)
{
    const double start = a->train_steps, stride = (start - start / a->steps) - start;
    if (a->steps > a->train_steps) return false;
    for (int i = 0; i < a->steps; i++)
        timesteps[i] = nearbyint(start + i * stride) - 1;
    return true;
}

extern const struct noise_schedule_spacing noise_schedule_trailing;
const struct noise_schedule_spacing noise_schedule_trailing = {"trailing", fill};

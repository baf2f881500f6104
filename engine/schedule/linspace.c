/* linspace: evenly from the last training step to 0, rounded half to even where they must be whole.
 */
#include <math.h>

#include "engine/schedule/noise_schedule.h"

static bool fill(const struct noise_schedule_spacing_args *a, double *timesteps)
{
    const int points = a->counts_end ? a->steps + 1 : a->steps;
    const double last = a->train_steps - 1;
    const double stride = points > 1 ? last / (points - 1) : 0;
    if (points > a->train_steps) return false;
    for (int i = 0; i < a->steps; i++) {
        const int at = points - 1 - i;
        const double t = at == points - 1 && points > 1 ? last : at * stride;
        timesteps[i] = a->fractional ? (double)(float)t : nearbyint(t);
    }
    return true;
}

extern const struct noise_schedule_spacing noise_schedule_linspace;
const struct noise_schedule_spacing noise_schedule_linspace = {"linspace", fill};

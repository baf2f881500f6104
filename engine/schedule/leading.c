/* leading: whole strides from 0, shifted by the offset; the first training step is kept, the last
 * is not reached. */
#include "engine/schedule/noise_schedule.h"

static bool fill(const struct noise_schedule_spacing_args *a, double *timesteps)
{
    const int points = a->counts_end ? a->steps + 1 : a->steps;
    const int stride = a->train_steps / points;
    if (stride == 0) return false;
    for (int i = 0; i < a->steps; i++)
        timesteps[i] = (double)(points - 1 - i) * stride + a->offset;
    return timesteps[0] < a->train_steps;
}

extern const struct noise_schedule_spacing noise_schedule_leading;
const struct noise_schedule_spacing noise_schedule_leading = {"leading", fill};

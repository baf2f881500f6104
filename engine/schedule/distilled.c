/* distilled: evenly among the steps that a consistency model was distilled on, 50 of the training
 * steps counted from the last (S. Luo et al., "Latent Consistency Models", 2023, section 4.3). */
#include "engine/schedule/noise_schedule.h"

#define DISTILLED_STEPS 50

static bool fill(const struct noise_schedule_spacing_args *a, double *timesteps)
{
    const int stride = a->train_steps / DISTILLED_STEPS;
    if (stride == 0 || a->steps > DISTILLED_STEPS) return false;
    for (int i = 0; i < a->steps; i++) {
        const int skipped = i * DISTILLED_STEPS / a->steps;
        timesteps[i] = (double)(DISTILLED_STEPS - skipped) * stride - 1;
    }
    return true;
}

extern const struct noise_schedule_spacing noise_schedule_distilled;
const struct noise_schedule_spacing noise_schedule_distilled = {"distilled", fill};

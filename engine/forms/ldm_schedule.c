#include "engine/forms/ldm_schedule.h"

#include "base/xalloc.h"

json_t *ldm_schedule(int train_steps)
{
    json_t *config = json_pack("{s:s, s:i, s:f, s:f, s:s, s:s, s:b, s:b, s:i, s:s}", "_class_name",
                               "DDIMScheduler", "num_train_timesteps", train_steps, "beta_start",
                               0.00085, "beta_end", 0.012, "beta_schedule", "scaled_linear",
                               "prediction_type", "epsilon", "clip_sample", 0, "set_alpha_to_one",
                               0, "steps_offset", 1, "timestep_spacing", "leading");
    ZOE_ASSERT(config != NULL);
    return config;
}

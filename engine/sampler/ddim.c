/* DDIM: J. Song, C. Meng, S. Ermon, "Denoising Diffusion Implicit Models", 2021, equation 12. Keeps
 * no history. */
#include <math.h>

#include "engine/sampler/sampler.h"

/* The step below is a whole stride of the training steps, even when the spacing is another. */
static double alpha_before(const struct sampler_setup *setup, int timestep)
{
    const struct noise_schedule *schedule = setup->schedule;
    const int before = timestep - schedule->train_steps / setup->path->steps;
    return before >= 0 ? schedule->alphas_cumprod[before] : schedule->final_alpha;
}

static void ddim_step(struct sampler_run *run, int index, float *x, const float *prediction,
                      sampler_noise_fn *noise, void *noise_arg)
{
    const struct sampler_setup *setup = &run->setup;
    const int t = (int)setup->path->timesteps[index];
    const double alpha = setup->schedule->alphas_cumprod[t];
    const double next = alpha_before(setup, t);
    const double variance = (1 - next) / (1 - alpha) * (1 - alpha / next);
    const double spread = setup->eta * sqrt(variance);
    const float root = (float)sqrt(alpha), rest = (float)sqrt(1 - alpha);
    const float root_next = (float)sqrt(next);
    const float direction = (float)sqrt(1 - next - spread * spread);
    const bool v = setup->path->prediction == NOISE_PREDICTION_V;
    for (int64_t i = 0; i < setup->count; i++) {
        const float said = prediction[i];
        const float clean = v ? root * x[i] - rest * said : (x[i] - rest * said) / root;
        const float noise_in_x = v ? root * said + rest * x[i] : said;
        x[i] = root_next * clean + direction * noise_in_x;
    }
    if (setup->eta <= 0) return;
    noise(noise_arg, run->noise);
    for (int64_t i = 0; i < setup->count; i++)
        x[i] += (float)spread * run->noise[i];
}

extern const struct sampler sampler_ddim;
const struct sampler sampler_ddim = {
    .name = "ddim",
    .spacing = "leading",
    .counts_end = false,
    .draws = SAMPLER_DRAWS_WITH_ETA,
    .step = ddim_step,
};

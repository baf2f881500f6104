/* DDIM: J. Song, C. Meng, S. Ermon, "Denoising Diffusion Implicit Models", 2021, equation 12. */
#include <math.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/sampler/sampler.h"

struct sampler_state {
    struct sampler_setup setup;
    float *noise; /* only with eta > 0 */
};

static struct sampler_state *ddim_begin(const struct sampler_setup *setup, struct error *err)
{
    struct sampler_state *s = xcalloc(1, sizeof *s);
    s->setup = *setup;
    if (setup->eta <= 0) return s;
    s->noise = alloc_checked((size_t)setup->count, sizeof *s->noise, "noise", err);
    if (s->noise != NULL) return s;
    free(s);
    return NULL;
}

static void ddim_end(struct sampler_state *s)
{
    if (s == NULL) return;
    free(s->noise);
    free(s);
}

/* The step below is a whole stride of the training steps, even when the spacing is another. */
static double alpha_before(const struct sampler_setup *setup, int timestep)
{
    const struct noise_schedule *schedule = setup->schedule;
    const int before = timestep - schedule->train_steps / setup->steps;
    return before >= 0 ? schedule->alphas_cumprod[before] : schedule->final_alpha;
}

static void ddim_step(struct sampler_state *s, int index, float *x, const float *prediction,
                      sampler_noise_fn *noise, void *noise_arg)
{
    const int t = (int)s->setup.timesteps[index];
    const double alpha = s->setup.schedule->alphas_cumprod[t];
    const double next = alpha_before(&s->setup, t);
    const double variance = (1 - next) / (1 - alpha) * (1 - alpha / next);
    const double spread = s->setup.eta * sqrt(variance);
    const float root = (float)sqrt(alpha), rest = (float)sqrt(1 - alpha);
    const float root_next = (float)sqrt(next);
    const float direction = (float)sqrt(1 - next - spread * spread);
    for (int64_t i = 0; i < s->setup.count; i++) {
        const float clean = (x[i] - rest * prediction[i]) / root;
        x[i] = root_next * clean + direction * prediction[i];
    }
    if (s->setup.eta <= 0) return;
    noise(noise_arg, s->noise);
    for (int64_t i = 0; i < s->setup.count; i++)
        x[i] += (float)spread * s->noise[i];
}

extern const struct sampler sampler_ddim;
const struct sampler sampler_ddim = {
    .name = "ddim",
    .scheduler = "DDIMScheduler",
    .spacing = "leading",
    .counts_end = false,
    .takes_eta = true,
    .begin = ddim_begin,
    .end = ddim_end,
    .step = ddim_step,
};

/* Back to a step that was run already: the latents get the noise that it expects, level by level,
 * x_i = a_i / a_(i+1) x_(i+1) + what is missing of the variance. Solvers forget what they saw. */
#include <math.h>

#include "engine/model/diffusion_job.h"

static void put_noise_back(struct family_job *j, int request, int index, int repetition)
{
    const struct noise_place place = {
        .purpose = NOISE_RETURN, .step = index, .repetition = repetition};
    float *latents = j->latents + request * j->latent_count;
    float *noise = j->output; /* free between a step and the next */
    double clean, spread, clean_after, spread_after;
    sampler_mix(&j->samplers[request]->setup, index, &clean, &spread);
    sampler_mix(&j->samplers[request]->setup, index + 1, &clean_after, &spread_after);
    const double ratio = clean / clean_after;
    const double missing = spread * spread - ratio * ratio * spread_after * spread_after;
    const float keep = (float)ratio, gain = (float)sqrt(fmax(missing, 0));
    diffusion_draw_frames(j, request, place, noise);
    for (int64_t i = 0; i < j->latent_count; i++)
        latents[i] = keep * latents[i] + gain * noise[i];
}

void diffusion_return(struct family_job *j, int request, const struct diffusion_turn *turn)
{
    for (int index = turn->index; index >= turn->back; index--)
        put_noise_back(j, request, index, turn->repetition + 1);
    sampler_restart(j->samplers[request], turn->back);
    diffusion_hold(j, request, turn->back);
}

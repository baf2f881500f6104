/* The order in which a job draws noise is the reference's: the start of a clip that is all new as
 * one [C][F][h][w], everything else frame by frame, because its schedulers see frames as a batch.
 */
#include <string.h>

#include "engine/model/diffusion_job.h"

void diffusion_draw_start(struct family_job *j, int request, float *out)
{
    j->noise->normal(j->noises[request], out, (size_t)j->latent_count);
}

void diffusion_draw_frames(struct family_job *j, int request, float *out)
{
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    float *drawn = j->input; /* free between denoising and the next step; one request fits */
    j->noise->normal(j->noises[request], drawn, (size_t)j->latent_count);
    for (int f = 0; f < frames; f++)
        for (int c = 0; c < channels; c++)
            memcpy(out + (size_t)(c * frames + f) * cells,
                   drawn + (size_t)(f * channels + c) * cells, cells * sizeof *out);
}

/* Latents as samplers see them and as networks see them. */
#include "engine/model/diffusion_job.h"

void diffusion_channels_first(const float *from, int channels, int64_t plane, float *to)
{
    for (int c = 0; c < channels; c++)
        for (int64_t p = 0; p < plane; p++)
            to[c * plane + p] = from[p * channels + c];
}

struct latents_facts diffusion_latents_shape(const struct family_job *j)
{
    return (struct latents_facts){.channels = j->model->latent_channels,
                                  .frames = j->size.frames,
                                  .height = j->size.height,
                                  .width = j->size.width};
}

int64_t diffusion_plane(const struct family_job *j)
{
    return (int64_t)j->size.frames * j->size.height * j->size.width;
}

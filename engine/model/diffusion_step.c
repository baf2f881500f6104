/* One denoising step of a job. */
#include <string.h>

#include "engine/model/diffusion_job.h"

struct noise_source {
    struct family_job *job;
    int request;
};

/* The reference's scheduler sees frames as a batch: its noise comes as [F][C][h][w]. */
static void draw_noise(void *arg, float *out)
{
    const struct noise_source *source = arg;
    struct family_job *j = source->job;
    const int channels = j->model->latent_channels, frames = j->size.frames;
    const size_t cells = (size_t)j->size.height * (size_t)j->size.width;
    float *drawn = j->input; /* free between denoising and the next step; one request fits */
    j->noise->normal(j->noises[source->request], drawn, (size_t)j->latent_count);
    for (int f = 0; f < frames; f++)
        for (int c = 0; c < channels; c++)
            memcpy(out + (size_t)(c * frames + f) * cells,
                   drawn + (size_t)(f * channels + c) * cells, cells * sizeof *out);
}

bool diffusion_job_step(struct family_job *j, int index, struct ops *ops, struct error *err)
{
    struct diffusion_model *m = j->model;
    (void)ops;
    for (int i = 0; i < j->count; i++)
        diffusion_channels_last(j->latents + i * j->latent_count, m->latent_channels,
                                diffusion_plane(j), j->input + i * j->latent_count);
    const void *condition = diffusion_text_at(j, index, err);
    if (condition == NULL ||
        !m->denoise(m, &j->size, condition, j->path->timesteps[index], j->input, j->output, err))
        return false;
    for (int i = 0; i < j->count; i++) {
        struct noise_source source = {j, i};
        diffusion_guide(j, i, index);
        sampler_step(j->samplers[i], index, j->latents + i * j->latent_count,
                     j->prediction + i * j->latent_count, draw_noise, &source);
    }
    j->stepped = true;
    return true;
}

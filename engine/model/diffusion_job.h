/* diffusion_job: a denoising job from inside: what the files diffusion_*.c share. Internal to
 * them. One thread at a time. */
#ifndef ZOE_ENGINE_MODEL_DIFFUSION_JOB_H
#define ZOE_ENGINE_MODEL_DIFFUSION_JOB_H

#include "engine/model/diffusion.h"

struct family_job {
    struct diffusion_model *model;
    int count, rows; /* requests; texts: uncond of each first, then cond of each; cond alone without
                        guidance */
    struct diffusion_size size;
    int64_t latent_count; /* floats of one request */
    int steps;
    double *timesteps;
    const struct sampler *sampler;
    struct sampler_state **samplers; /* per request, as the next two */
    const struct noise *noise;
    struct noise_state **noises;
    double *guidance;
    void *condition;
    int32_t *ids;          /* [rows][tokens] */
    float *embeddings;     /* [rows][tokens][text_channels] */
    float *latents;        /* [count][C][F][h][w] */
    float *prediction;     /* the same shape */
    float *input;          /* [count][F][h][w][C] */
    float *output;         /* [rows][F][h][w][C] */
    float *frame, *pixels; /* of one decoded frame, channels last */
    bool stepped;
};

/* ---- layouts: [C][F][h][w] <-> [F][h][w][C]; plane = F * h * w ---- */

void diffusion_channels_last(const float *from, int channels, int64_t plane, float *to);
void diffusion_channels_first(const float *from, int channels, int64_t plane, float *to);
int64_t diffusion_plane(const struct family_job *j);

/* ---- diffusion_text.c: what the prompts say ---- */

bool diffusion_text_begin(struct family_job *j, const struct request *requests, struct error *err);
void diffusion_text_end(struct family_job *j);

/* ---- diffusion_start.c: schedules, samplers, noise, first latents ---- */

bool diffusion_start(struct family_job *j, const struct request *requests, struct error *err);

#endif

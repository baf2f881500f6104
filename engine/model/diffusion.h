/* diffusion: the denoising loop that latent diffusion families share: noise, schedule, sampler,
 * guidance. A family embeds a struct diffusion_model and fills its hooks; the job functions below
 * go straight into its row. */
#ifndef ZOE_ENGINE_MODEL_DIFFUSION_H
#define ZOE_ENGINE_MODEL_DIFFUSION_H

#include "engine/model/family.h"
#include "engine/model/text_model.h"
#include "engine/schedule/noise_schedule.h"

struct diffusion_size {
    int batch, frames, height, width; /* latents */
};

/* Embeddings, a row for each negative prompt and prompt; frames 1: the same for all. */
struct diffusion_texts {
    int rows, frames, tokens;
    const float *values; /* [rows][frames][tokens][channels] */
};

struct diffusion_model {
    struct ops *ops; /* borrowed */
    struct noise_schedule schedule;
    int latent_channels, spatial_factor;
    double latent_scale;     /* latents are multiplied by it before decoding */
    struct text_model *text; /* the family's */

    /* What the denoiser keeps of texts. */
    void *(*condition)(struct diffusion_model *m, const struct diffusion_texts *texts,
                       struct error *err);
    void (*condition_free)(struct diffusion_model *m, void *condition);
    /* Plans denoising and decoding of this size. */
    bool (*plan)(struct diffusion_model *m, const struct diffusion_size *size,
                 const void *condition, struct error *err);
    /* latents [batch][F][h][w][C] -> noise [rows][F][h][w][C]; row i belongs to video i % batch. */
    bool (*denoise)(struct diffusion_model *m, const struct diffusion_size *size,
                    const void *condition, double timestep, const float *latents, float *out,
                    struct error *err);
    /* One frame: pixels [H][W][3] in [-1, 1] -> moments [h][w][2C]: means, then logarithms of
     * variances. NULL when there is no encoder. Plans for itself. */
    bool (*encode_pixels)(struct diffusion_model *m, int height, int width, const float *pixels,
                          float *moments, struct error *err);
    /* One frame: scaled latents [h][w][C] -> pixels [H][W][3], nominal [-1, 1]. */
    bool (*decode)(struct diffusion_model *m, int height, int width, const float *latents,
                   float *pixels, struct error *err);
};

struct family_job *diffusion_job_new(void *model, const struct request *requests, int count,
                                     struct error *err);
void diffusion_job_free(struct family_job *job);
struct engine_shape diffusion_job_shape(const struct family_job *job);
int diffusion_job_steps(const struct family_job *job);
double diffusion_job_timestep(const struct family_job *job, int step);
float *diffusion_job_latents(struct family_job *job, int request);
bool diffusion_job_step(struct family_job *job, int index, struct ops *ops, struct error *err);
bool diffusion_job_decode(struct family_job *job, int request, int frame, struct ops *ops,
                          float *out, struct error *err);
void diffusion_job_hand_over(const struct family_job *job, struct safetensors_writer *out);
void diffusion_job_save(const struct family_job *job, struct safetensors_writer *out);
bool diffusion_job_load(struct family_job *job, const struct safetensors *file, const char *path,
                        int step, struct error *err);
bool diffusion_job_text(const struct family_job *job, struct engine_text *out);
const float *diffusion_job_prediction(const struct family_job *job);
const char *diffusion_job_warning(const struct family_job *job, int index);

#endif

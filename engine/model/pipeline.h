/* pipeline: what the latent diffusion families of diffusers' folders share: tokenizer, CLIP text
 * encoder, UNet (for images or videos), AutoencoderKL and noise schedule as one diffusion_model.
 * One thread at a time. */
#ifndef ZOE_ENGINE_MODEL_PIPELINE_H
#define ZOE_ENGINE_MODEL_PIPELINE_H

#include "engine/model/diffusion.h"

void *pipeline_open(const struct model_folder *folder, struct ops *ops, struct error *err);
void pipeline_close(void *model); /* NULL is fine */

bool pipeline_sketch(const struct model_folder *folder, struct ops *ops,
                     const struct engine_size *size, struct family_sketch *out, struct error *err);
bool pipeline_is_large(struct model_parts *parts); /* weights keep their 16 bits then */

/* ERROR_INVALID when the family is for images and the folder's UNet for videos, or the other way
 * round. */
bool pipeline_describe(const struct model_folder *folder, json_t *facts, struct error *err);

/* Every member of such a family's row but name, pipelines and image. */
#define PIPELINE_FAMILY_ROWS                                                                       \
    .uses_backend = true, .has_parts = true, .takes_loras = true, .describe = pipeline_describe,   \
    .open = pipeline_open, .sketch = pipeline_sketch, .close = pipeline_close,                     \
    .job_new = diffusion_job_new, .job_free = diffusion_job_free,                                  \
    .job_shape = diffusion_job_shape, .job_steps = diffusion_job_steps,                            \
    .job_timestep = diffusion_job_timestep, .job_latents = diffusion_job_latents,                  \
    .job_step = diffusion_job_step, .job_decode = diffusion_job_decode,                            \
    .job_save = diffusion_job_save, .job_load = diffusion_job_load,                                \
    .job_hand_over = diffusion_job_hand_over, .job_text = diffusion_job_text,                      \
    .job_prediction = diffusion_job_prediction, .job_warning = diffusion_job_warning

#endif

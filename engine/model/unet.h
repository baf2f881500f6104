/* unet: the denoiser of Stable Diffusion (UNet2DConditionModel, one frame) and of ModelScope
 * text-to-video (UNet3DConditionModel). A list of blocks, made from the config, run by one loop;
 * images have the same list without its temporal blocks. Any number of levels, any height and
 * width, any number of frames. */
#ifndef ZOE_ENGINE_MODEL_UNET_H
#define ZOE_ENGINE_MODEL_UNET_H

#include "engine/model/unet_config.h"
#include "engine/ops.h"

struct unet;

struct unet *unet_open(struct model_parts *parts, struct ops *ops, struct error *err);
void unet_close(struct unet *u); /* NULL is fine */
const struct unet_config *unet_config(const struct unet *u);

/* Keys and values of the text for every cross attention, computed once per set of prompts. Frames:
 * those of the videos, each with a text of its own, or 1. */
struct unet_text;
struct unet_text_shape {
    int rows, frames, tokens;
};
/* embeddings [rows][frames][tokens][text_channels] */
struct unet_text *unet_text_new(struct unet *u, const struct unet_text_shape *shape,
                                const float *embeddings, struct error *err);
size_t unet_text_bytes(const struct unet_text *t);
void unet_text_free(struct unet_text *t); /* NULL is fine */

/* `batch` videos of noisy latents share the timestep; the text has batch * k rows, and the result
 * too: row i belongs to video i % batch. What does not depend on the text is computed once per
 * video. */
struct unet_shape {
    int batch, frames, height, width;
};

bool unet_plan(struct unet *u, const struct unet_shape *shape, const struct unet_text *text,
               struct error *err);

/* latents [batch][F][h][w][in_channels] -> out [rows][F][h][w][out_channels]; timestep may be
 * fractional. The shape must have been planned. False when canceled. */
bool unet_run(struct unet *u, const struct unet_shape *shape, const struct unet_text *text,
              double timestep, const float *latents, float *out, struct error *err);

#endif

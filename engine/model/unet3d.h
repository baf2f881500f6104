/* unet3d: the denoiser of ModelScope text-to-video (UNet3DConditionModel). A list of blocks, made
 * from the config, run by one loop; any number of levels, any height and width, any number of
 * frames. */
#ifndef ZOE_ENGINE_MODEL_UNET3D_H
#define ZOE_ENGINE_MODEL_UNET3D_H

#include "engine/model/unet_config.h"
#include "engine/ops.h"

struct unet3d;

struct unet3d *unet3d_open(const char *folder, struct ops *ops, struct error *err);
void unet3d_close(struct unet3d *u); /* NULL is fine */
const struct unet_config *unet3d_config(const struct unet3d *u);

/* Keys and values of the text for every cross attention, computed once per set of prompts. */
struct unet3d_text;
struct unet3d_text *unet3d_text_new(struct unet3d *u, const float *embeddings, int rows, int tokens,
                                    struct error *err);
void unet3d_text_free(struct unet3d_text *t); /* NULL is fine */

/* `batch` videos of noisy latents share the timestep; the text has batch * k rows, and the result
 * too: row i belongs to video i % batch. What does not depend on the text is computed once per
 * video. */
struct unet3d_shape {
    int batch, frames, height, width;
};

bool unet3d_plan(struct unet3d *u, const struct unet3d_shape *shape, const struct unet3d_text *text,
                 struct error *err);

/* latents [batch][F][h][w][in_channels] -> out [rows][F][h][w][out_channels]; timestep may be
 * fractional. The shape must have been planned. False when canceled. */
bool unet3d_run(struct unet3d *u, const struct unet3d_shape *shape, const struct unet3d_text *text,
                double timestep, const float *latents, float *out, struct error *err);

#endif

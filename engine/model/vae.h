/* vae: AutoencoderKL: pixels to latents and back, frame by frame. Sizes come from its config.json.
 */
#ifndef ZOE_ENGINE_MODEL_VAE_H
#define ZOE_ENGINE_MODEL_VAE_H

#include "engine/model/vae_config.h"
#include "engine/ops.h"

struct vae;

struct vae *vae_open(struct model_parts *parts, struct ops *ops, struct error *err);
void vae_close(struct vae *v); /* NULL is fine */
const struct vae_config *vae_config_of(const struct vae *v);
bool vae_has_encoder(const struct vae *v); /* some files hold the decoder only */

/* Plans the decoding, the encoding of one frame; height and width count latents in both. */
bool vae_plan_decode(struct vae *v, int height, int width, struct error *err);
bool vae_plan_encode(struct vae *v, int height, int width, struct error *err);

/* A large frame is decoded in horizontal bands, with the same result but for rounding. `rows` > 0
 * has every level decoded in bands of so many rows, 0 (as it is at first) leaves it to the size.
 * Plan after this. */
void vae_set_bands(struct vae *v, int rows);

/* One frame: latents [h][w][latent_channels], already divided by the scaling factor -> pixels
 * [H][W][out_channels], nominal [-1, 1]. The size must have been planned. False when canceled. */
bool vae_decode(struct vae *v, int height, int width, const float *latents, float *pixels,
                struct error *err);

/* One frame: pixels [H][W][3] in [-1, 1] -> moments [h][w][2 * latent_channels]: means, then
 * logarithms of variances, as the network gives them, not scaled. */
bool vae_encode(struct vae *v, int height, int width, const float *pixels, float *moments,
                struct error *err);

#endif

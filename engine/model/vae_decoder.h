/* vae_decoder: the decoding half of AutoencoderKL: latents to pixels, frame by frame. Sizes come
 * from its config.json. */
#ifndef ZOE_ENGINE_MODEL_VAE_DECODER_H
#define ZOE_ENGINE_MODEL_VAE_DECODER_H

#include "engine/ops.h"

struct vae_decoder;

/* What config.json says, without weights. */
#define VAE_LEVELS_MAX 8
struct vae_config {
    int levels, channels[VAE_LEVELS_MAX];
    int layers_per_block, latent_channels, out_channels, groups;
    double scaling_factor;
    bool post_quant; /* a 1x1 convolution before the decoder */
    bool mid_attention;
};
bool vae_config_read(const char *folder, struct vae_config *out, struct error *err);
int vae_config_factor(const struct vae_config *c); /* pixels per latent, each way */

struct vae_decoder *vae_decoder_open(const char *folder, struct ops *ops, struct error *err);
void vae_decoder_close(struct vae_decoder *d); /* NULL is fine */
const struct vae_config *vae_decoder_config(const struct vae_decoder *d);

/* Plans the decoding of one frame of this latent size. */
bool vae_decoder_plan(struct vae_decoder *d, int height, int width, struct error *err);

/* One frame: latents [h][w][latent_channels], already divided by the scaling factor -> pixels
 * [H][W][out_channels], nominal [-1, 1]. The size must have been planned. False when canceled. */
bool vae_decoder_run(struct vae_decoder *d, int height, int width, const float *latents,
                     float *pixels, struct error *err);

#endif

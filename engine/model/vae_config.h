/* vae_config: what an AutoencoderKL's config.json says, checked; no weights. */
#ifndef ZOE_ENGINE_MODEL_VAE_CONFIG_H
#define ZOE_ENGINE_MODEL_VAE_CONFIG_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/folder/model_parts.h"

#define VAE_LEVELS_MAX 8

struct vae_config {
    int levels, channels[VAE_LEVELS_MAX];
    int layers_per_block, latent_channels, out_channels, groups;
    double scaling_factor;
    bool quant, post_quant; /* a 1x1 convolution after the encoder, before the decoder */
    bool mid_attention;
};

bool vae_config_read(struct model_parts *parts, struct vae_config *out, struct error *err);
int vae_config_factor(const struct vae_config *c); /* pixels per latent, each way */

#endif

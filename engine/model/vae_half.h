/* vae_half: encoder or decoder of AutoencoderKL: a list of blocks, made from the config, run by one
 * loop. Structure: docs/engine.md, "VAE"; R. Rombach et al., "High-Resolution Image Synthesis with
 * Latent Diffusion Models", 2022. Internal to vae.c. */
#ifndef ZOE_ENGINE_MODEL_VAE_HALF_H
#define ZOE_ENGINE_MODEL_VAE_HALF_H

#include "engine/model/vae_config.h"
#include "engine/ops.h"
#include "engine/weights.h"

enum vae_block_kind { VAE_BLOCK_RES, VAE_BLOCK_ATTENTION, VAE_BLOCK_UP, VAE_BLOCK_DOWN };

struct vae_block {
    enum vae_block_kind kind;
    int out;
    const struct weight *norm1, *conv1, *norm2, *conv2,
        *shortcut;                   /* RES; UP and DOWN have conv1 only */
    const struct weight *qkv, *proj; /* ATTENTION, with norm1 */
};

struct vae_half {
    struct ops *ops; /* set by the owner, as groups */
    int groups;
    const struct weight *before, *after; /* 1x1 convolutions of the latents, or NULL */
    const struct weight *conv_in, *norm_out, *conv_out;
    struct vae_block *blocks;
    int block_count;
    int band_rows; /* of vae_bands.h: 0 = only large levels, in bands of a height that suits */
    double *sums;  /* of vae_bands.c; the decoder only */
};

/* Ask `w` for every tensor of the half; problems show at weights_finish. */
void vae_half_load_decoder(struct vae_half *h, struct weights *w, const struct vae_config *c);
void vae_half_load_encoder(struct vae_half *h, struct weights *w, const struct vae_config *c);
void vae_half_finish(struct vae_half *h); /* the weights belong to their set */

/* One image [height][width][channels in] -> out, whose size follows from the blocks. Run it while
 * ops plans first. False when canceled. */
bool vae_half_forward(const struct vae_half *h, int height, int width, const float *in, float *out,
                      struct error *err);

/* For vae_bands.c: the norm that precedes a convolution; a convolution that keeps the size (3x3
 * padded by one, or 1x1); one after doubling the size. */
struct norm_args vae_half_norm(const struct vae_half *h, const struct weight *weight, bool silu);
void vae_half_conv(const struct vae_half *h, const struct tensor *x, struct norm_args norm,
                   const struct weight *weight, const struct tensor *residual, struct tensor *y);
void vae_half_conv_up(const struct vae_half *h, const struct vae_block *b, const struct tensor *x,
                      struct tensor *y);

#endif

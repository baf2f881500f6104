/* vae_bands: a level of the decoder in horizontal bands, so that its large tensors never exist as a
 * whole.
 *
 * A level is what lies between two upsamplings (after the last: up to the pixels). Its input and
 * its output are whole; a band upsamples some rows of the input and takes them through the level.
 * Each 3x3 convolution spoils one row at a cut, so a band carries as many rows more as there are.
 *
 * Group norms need the statistics of the whole frame. They are gathered in passes: pass k takes
 * every band up to norm k, by the statistics of the norms before it, and adds the sums of the
 * band's own rows; the last pass goes through. The result differs from the whole level's in
 * rounding only. A level of n norms costs about n / 2 + 1 times as much. Internal to
 * vae_half.c. */
#ifndef ZOE_ENGINE_MODEL_VAE_BANDS_H
#define ZOE_ENGINE_MODEL_VAE_BANDS_H

#include "engine/model/vae_half.h"

/* Whether block `first`, to be run on x, begins a level for bands. */
bool vae_bands_wanted(const struct vae_half *h, int first, const struct tensor *x);

/* Runs (or plans) that level; x becomes its output. The number of the block that comes next:
 * block_count + 1 when nothing is left to do, not even the last norm and convolution; -1 when
 * canceled. */
int vae_bands_run(const struct vae_half *h, int first, struct tensor *x, struct error *err);

/* Numbers that vae_half's `sums` must hold. */
size_t vae_bands_sums(const struct vae_half *h);

#endif

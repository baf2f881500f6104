/* ldm: networks as the programs before diffusers named them (CompVis' and Stability's Stable
 * Diffusion, ModelScope's text-to-video): their names and, from the shapes, their configurations.
 *
 * Each function walks the file once: it fills `map` with the rows of that network and gives the
 * config.json that diffusers would have written (a new reference). What no shape tells (numbers of
 * groups and heads) is what every published model of that kind has. NULL with ERROR_INVALID naming
 * what is missing. */
#ifndef ZOE_ENGINE_FORMS_LDM_H
#define ZOE_ENGINE_FORMS_LDM_H

#include <jansson.h>

#include "engine/forms/name_map.h"

/* UNetSD of ModelScope (with a temporal transformer behind the first convolution) or the UNet of
 * Stable Diffusion 1 and 2. */
json_t *ldm_unet(const struct tensor_file *file, const char *prefix, struct name_map *map,
                 struct error *err);

/* AutoencoderKL. */
json_t *ldm_vae(const struct tensor_file *file, const char *prefix, struct name_map *map,
                struct error *err);

/* OpenCLIP's text tower: its last block goes, as these models take the last but one. */
json_t *ldm_open_clip(const struct tensor_file *file, const char *prefix, struct name_map *map,
                      struct error *err);

/* The text encoder of Stable Diffusion 1, already under transformers' names: no map. */
json_t *ldm_clip(const struct tensor_file *file, const char *prefix, struct error *err);

/* ---- what the walks share ---- */

/* The tensor PREFIX + format, or NULL. */
const struct tensor_entry *ldm_find(const struct tensor_file *file, const char *prefix,
                                    const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Its dimension, or 0 when tensor or dimension is not there. */
int64_t ldm_dim(const struct tensor_entry *e, int index);

#endif

/* lora_pair: do the two factors of a product fit a module, and how? Room-internal: lora_file.c. */
#ifndef ZOE_ENGINE_LORA_PAIR_H
#define ZOE_ENGINE_LORA_PAIR_H

#include "engine/lora/lora_file.h"

extern const char lora_misfit[];

bool lora_pair_is_float(const struct safetensors_entry *e);
struct weight_array lora_pair_array(const struct safetensors_entry *e);

/* Fills kind, rows, rank, columns, mean, up and down; else says why not. */
const char *lora_pair_fit(const struct lora_module *m, const struct safetensors_entry *up,
                          const struct safetensors_entry *down, struct lora_delta *out);

/* alpha / rank; false when alpha is no single finite number. */
bool lora_pair_scale(const struct safetensors_entry *alpha, int64_t rank, float *out);

#endif

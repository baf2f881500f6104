/* lora_pair: do the two factors of a product fit a module, and how? Room-internal: lora_file.c. */
#ifndef ZOE_ENGINE_LORA_PAIR_H
#define ZOE_ENGINE_LORA_PAIR_H

#include "engine/lora/lora_file.h"

extern const char lora_misfit[];

/* Its floats, borrowed from `file`; why not, when it holds none or cannot be read. */
const char *lora_pair_array(struct tensor_file *file, const struct tensor_entry *e,
                            struct weight_array *out);

/* Fills kind, rows, rank, columns, mean, up and down; else says why not. */
const char *lora_pair_fit(const struct lora_module *m, struct tensor_file *file,
                          const struct tensor_entry *up, const struct tensor_entry *down,
                          struct lora_delta *out);

/* alpha / rank; false when alpha is no single finite number. */
bool lora_pair_scale(struct tensor_file *file, const struct tensor_entry *alpha, int64_t rank,
                     float *out);

#endif

/* lora_set: the LoRAs that a model is opened with, each with its strength. The base's files stay as
 * they are: where a tensor is changed, a merged float32 copy is handed on instead.
 *
 * W = W0 + sum of strength * scale * (B A), in float32, LoRAs in the order given; a whole tensor V
 * counts strength * V, or strength * (V - W) where it replaces. (Hu et al. 2021, "LoRA: Low-Rank
 * Adaptation of Large Language Models".) Bits do not depend on the number of threads. */
#ifndef ZOE_ENGINE_LORA_SET_H
#define ZOE_ENGINE_LORA_SET_H

#include <jansson.h>

#include "engine/backend.h"
#include "engine/lora/lora_base.h"
#include "engine/threads.h"

struct lora_set;

/* `loras`: [{"path": file or folder of LoRA files, "strength": number}, ..]. `base` is borrowed as
 * long as the set lives. Errors as lora_file_open, and ERROR_USAGE for what is no such list. */
struct lora_set *lora_set_open(const json_t *loras, const struct lora_base *base,
                               struct error *err);
void lora_set_close(struct lora_set *s); /* NULL is fine */

/* Is `tensor` (a whole diffusers name) changed? `s` may be NULL. */
bool lora_set_changes(const struct lora_set *s, const char *tensor);

/* base->count floats, caller frees. ERROR_INVALID when one is not finite; ERROR_NO_MEMORY. */
float *lora_set_merge(const struct lora_set *s, const char *tensor, const struct weight_array *base,
                      struct threads *threads, struct error *err);

/* Reports of all files (lora_file_report), each with its strength. New reference. */
json_t *lora_set_report(const struct lora_set *s);

/* Files of LoRA tensors in a folder, sorted; or the file itself. Strings and array are the
 * caller's. */
bool lora_set_files(const char *path, char ***files, size_t *count, struct error *err);
void lora_set_files_free(char **files, size_t count);

#endif

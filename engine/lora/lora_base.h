/* lora_base: the modules of the model that LoRAs change: their names, the spellings they are found
 * by (diffusers' and the original code's, with dots or underscores) and the shapes of their
 * weights. Knows nothing of where tensors are stored. */
#ifndef ZOE_ENGINE_LORA_BASE_H
#define ZOE_ENGINE_LORA_BASE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/file/tensor_file.h"
#include "engine/lora/lora_key.h"

struct lora_module { /* owner of NAME.weight, and of NAME.bias when bias_count > 0 */
    char *name;      /* diffusers' */
    bool text;       /* of the text encoder, else of the UNet */
    bool embedding;
    int rank; /* of the weight as it is stored */
    int64_t dim[TENSOR_RANK_MAX];
    int64_t count, bias_count;
};

struct lora_base;

struct lora_base *lora_base_new(void);
void lora_base_free(struct lora_base *b); /* NULL is fine */

/* A tensor of the base, under its diffusers name; others than weights and biases are ignored. */
void lora_base_add(struct lora_base *b, bool text, const char *tensor, int rank,
                   const int64_t *dim);
/* After the last one. */
void lora_base_finish(struct lora_base *b);

int lora_base_count(const struct lora_base *b);
const struct lora_module *lora_base_at(const struct lora_base *b, int index);
int lora_base_find(const struct lora_base *b, const char *joined); /* lora_key_join's; -1 */

/* Linear layers and convolutions in the order in which torch walks them, for files that have only
 * an order. `classes`: names of the classes they must lie under (JSON list), or NULL for a whole
 * UNet or every layer of a text encoder. What a class registers first differs between versions of
 * diffusers: `variant` 0 .. LORA_WALKS-1 chooses. Writes at most lora_base_count indices, returns
 * how many. */
#define LORA_WALKS 4
int lora_base_walk(const struct lora_base *b, bool text, const json_t *classes, int variant,
                   int *out);

#endif

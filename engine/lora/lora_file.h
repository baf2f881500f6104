/* lora_file: one LoRA file in any of its forms, matched against the modules of a base model and
 * brought into one form: for each tensor of the base a list of products B A with a scale, or of
 * whole tensors.
 *
 * Reading maps the file: deltas borrow from the mapping and die with it. The file comes from
 * outside: names, shapes and numbers are checked; what does not fit the base is left out and
 * reported. One thread at a time. */
#ifndef ZOE_ENGINE_LORA_FILE_H
#define ZOE_ENGINE_LORA_FILE_H

#include <jansson.h>

#include "base/error.h"
#include "engine/backend.h"
#include "engine/lora/lora_base.h"

#define LORA_TENSORS_MAX 65536

enum lora_delta_kind {
    LORA_PRODUCT, /* adds up [rows][rank] times down [rank][columns], flat in the tensor's order */
    LORA_PRODUCT_TURNED, /* the same, its transpose */
    LORA_PRODUCT_MEAN,   /* the same with `mean` numbers in a row averaged into one */
    LORA_SUM,            /* adds `value` */
    LORA_REPLACEMENT,    /* goes towards `value` by the strength */
};

struct lora_delta {
    enum lora_delta_kind kind;
    int module; /* of the base */
    bool bias;  /* changes NAME.bias, else NAME.weight */
    int64_t rows, rank, columns;
    int mean;
    struct weight_array up, down, value;
    float scale; /* alpha / rank, or 1 */
};

struct lora_file;

/* ERROR_NOT_FOUND, ERROR_IO, ERROR_INVALID; ERROR_USAGE naming a few keys when nothing of it
 * belongs to the base, which is borrowed for the call. */
struct lora_file *lora_file_open(const char *path, const struct lora_base *base, struct error *err);
void lora_file_close(struct lora_file *f); /* NULL is fine */

int lora_file_count(const struct lora_file *f);
const struct lora_delta *lora_file_at(const struct lora_file *f, int index);

/* What was found: {file, form, tensors, matched, unmatched, modules {unet, text_encoder}, rank
 * {min, max}, strangers [key: why, ..]}; at most LORA_STRANGERS of them. New reference. */
#define LORA_STRANGERS 32
json_t *lora_file_report(const struct lora_file *f);

/* The same without a base, from names alone: {file, form, tensors, modules {unet, text_encoder}};
 * ERROR_INVALID when it is no LoRA. */
json_t *lora_file_describe(const char *path, struct error *err);

#endif

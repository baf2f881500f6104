/* tokenizer_copy: a tokenizer's folder written whole, as transformers wants it: vocabulary, special
 * tokens and length are spelled out where the source leaves them to rules. */
#ifndef ZOE_ENGINE_FOLDER_TOKENIZER_COPY_H
#define ZOE_ENGINE_FOLDER_TOKENIZER_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* `text_width` is the encoder's: it decides the pad token where no file does. */
bool tokenizer_copy(const char *from, const char *to, int64_t text_width, struct error *err);

/* The pad token of encoders of that width: Stable Diffusion 1's pads with the end token, the later
 * ones with "!". */
const char *tokenizer_default_pad(int64_t text_width);

#endif

/* text_model: what turns words into numbers: a tokenizer, a text encoder, and the embeddings that
 * were computed last. A farm renders many seeds of few prompts, so an embedding outlives its job:
 * the encoder runs once for each chunk of words, weights and clip skip. One thread at a time. */
#ifndef ZOE_ENGINE_MODEL_TEXT_MODEL_H
#define ZOE_ENGINE_MODEL_TEXT_MODEL_H

#include "engine/model/text_encoder.h"
#include "engine/text/prompt_chunks.h"

#define TEXT_MODEL_CHUNKS_MAX 256
#define TEXT_MODEL_BYTES_MAX ((size_t)64 << 20)

struct text_model;

/* Takes both, also when it fails; ERROR_INVALID, naming `folder`, when they do not fit each other.
 * Either may be NULL: then NULL, err untouched. */
struct text_model *text_model_new(struct tokenizer *tokenizer, struct text_encoder *encoder,
                                  const char *folder, struct error *err);
void text_model_close(struct text_model *m); /* NULL is fine */

const struct tokenizer *text_model_tokenizer(const struct text_model *m);
int text_model_length(const struct text_model *m);   /* tokens of a chunk */
int text_model_width(const struct text_model *m);    /* channels of a token */
int64_t text_model_runs(const struct text_model *m); /* chunks that were really encoded */

/* -> out [count][length][width]. The rows of weighted tokens are multiplied by their weight, then
 * the whole chunk so that its mean is as before. */
bool text_model_embed(struct text_model *m, const struct prompt_chunks *chunks, int clip_skip,
                      float *out, struct error *err);

#endif

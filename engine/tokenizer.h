/* tokenizer: text to CLIP token ids: byte-level BPE from a folder's vocab.json and merges.txt.
 *
 * Text is composed (NFC, Latin), white space collapsed, lower-cased (simple mapping); broken
 * encodings are not repaired, HTML entities are not unescaped. A tokenizer whose pad token is "!"
 * takes every "!" of a text for that token, as transformers does. Immutable after opening: any
 * number of threads may encode. */
#ifndef ZOE_ENGINE_TOKENIZER_H
#define ZOE_ENGINE_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TOKENIZER_LENGTH_MAX 1024

struct tokenizer;

/* Reads FOLDER/vocab.json (without it the vocabulary follows from the merges), merges.txt,
 * special_tokens_map.json and tokenizer_config.json. `default_pad` is used when no file names a pad
 * token: "!" or "<|endoftext|>". ERROR_INVALID names the file. */
struct tokenizer *tokenizer_open(const char *folder, const char *default_pad, struct error *err);
void tokenizer_close(struct tokenizer *t); /* NULL is fine */

int tokenizer_length(const struct tokenizer *t);     /* ids per text: model_max_length, 77 */
int tokenizer_vocabulary(const struct tokenizer *t); /* ids are below it */

/* begin, at most length - 2 tokens (the rest is cut), end, padding. `text` is valid UTF-8. Returns
 * the number of tokens the text has, uncut, without begin and end. */
int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids);

#endif

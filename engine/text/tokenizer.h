/* tokenizer: text to CLIP token ids: byte-level BPE from a folder's vocab.json and merges.txt.
 *
 * Text is composed (NFC, Latin), white space collapsed, lower-cased (simple mapping); broken
 * encodings are not repaired, HTML entities are not unescaped. A tokenizer whose pad token is "!"
 * takes every "!" of a text for that token, as transformers does; OpenCLIP's own code does not.
 * Immutable after opening: any number of threads may encode. */
#ifndef ZOE_ENGINE_TEXT_TOKENIZER_H
#define ZOE_ENGINE_TEXT_TOKENIZER_H

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

int32_t tokenizer_comma(const struct tokenizer *t); /* id of "," as a word; -1: it has none */
int32_t tokenizer_end(const struct tokenizer *t);   /* of the token that ends a text */
int32_t tokenizer_pad(const struct tokenizer *t);

enum tokenizer_rule {
    TOKENIZER_TRANSFORMERS, /* as transformers reads a text */
    TOKENIZER_OPENCLIP,     /* "!" is a character like any other */
};

/* All tokens of a text, without begin and end. */
struct tokens {
    int count;
    int32_t *ids;
    int *places; /* byte of `text` where the word or other piece begins that a token is of */
    char *text;  /* the text as it was read: composed, lower-cased, spaces collapsed */
};

/* `text` is valid UTF-8. The caller finishes `tokens`. */
void tokenizer_split(const struct tokenizer *t, const char *text, enum tokenizer_rule rule,
                     struct tokens *tokens);
void tokens_finish(struct tokens *tokens);

/* ids [length]: begin, `count` <= length - 2 tokens, end, padding. */
void tokenizer_frame(const struct tokenizer *t, const int32_t *tokens, int count, int32_t *ids);

/* Both at once, as transformers does, what does not fit cut off. Returns the number of tokens the
 * text has, uncut. */
int tokenizer_encode(const struct tokenizer *t, const char *text, int32_t *ids);

#endif

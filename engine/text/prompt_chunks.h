/* prompt_chunks: a prompt's words as the text encoder takes them: sequences of one length, each
 * begin, tokens, end, padding; encoded apart, then laid end to end. Pure. */
#ifndef ZOE_ENGINE_TEXT_PROMPT_CHUNKS_H
#define ZOE_ENGINE_TEXT_PROMPT_CHUNKS_H

#include "base/prompt.h"
#include "engine/text/tokenizer.h"

#define PROMPT_CHUNKS_MAX 32
#define PROMPT_COMMA_REACH 20 /* tokens */

struct prompt_chunks {
    int count, length; /* at least one chunk; ids of each */
    int32_t *ids;      /* [count][length] */
    float *weights;    /* [count][length]; 1 for begin, end and padding */
    char *dropped;     /* PROMPT_PLAIN: what did not fit; else NULL */
};

/* PROMPT_PLAIN: one chunk, the rest is dropped. PROMPT_A1111: as many as it takes. When a chunk is
 * full and one of its last PROMPT_COMMA_REACH tokens is a comma, what follows the comma moves to
 * the next chunk. Padding follows the first end token, also one that the text names. ERROR_USAGE
 * beyond PROMPT_CHUNKS_MAX. prompt_chunks_finish is right afterwards in any case. */
bool prompt_chunks_make(struct prompt_chunks *c, const struct tokenizer *t,
                        const struct prompt_text *text, enum prompt_syntax syntax,
                        enum tokenizer_rule rule, struct error *err);
/* Adds chunks of no words until there are `count`. */
void prompt_chunks_extend(struct prompt_chunks *c, const struct tokenizer *t, int count);
void prompt_chunks_finish(struct prompt_chunks *c);

#endif

/* submit_words: which words of prompts a model was never shown, for one warning a submission.
 * Room-internal: submit_*.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_WORDS_H
#define ZOE_COORDINATOR_SUBMIT_WORDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"

#define SUBMIT_WORDS_SHOWN 5

struct submit_words {
    struct table known; /* empty = the model has no list: everything is known */
    char *unknown[SUBMIT_WORDS_SHOWN];
    int unknown_count;
    uint64_t prompts;   /* seen */
    uint64_t strangers; /* of them with an unknown word */
};

/* `list`: array of lower-case words, or null. */
void submit_words_init(struct submit_words *w, const json_t *list);
void submit_words_finish(struct submit_words *w);
void submit_words_look(struct submit_words *w, const char *prompt, size_t size);
/* A sentence, or NULL when every word was known. Caller frees. */
char *submit_words_warning(const struct submit_words *w, const char *model);

#endif

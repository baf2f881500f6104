/* submit_words: words of prompts that a model's own list does not have. A list is read once a
 * model, in whatever order the models come. Room-internal: submit_file.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_WORDS_H
#define ZOE_COORDINATOR_SUBMIT_WORDS_H

#include "base/table.h"
#include "coordinator/models.h"
#include "coordinator/submit_facts.h"

#define SUBMIT_WORDS_NAMED 5
#define SUBMIT_WORDS_KEPT 256 /* lists; beyond, all are read anew */

struct submit_words {
    struct table lists; /* name of a model -> struct table, owned: its words; empty: it has none */
    char *strangers[SUBMIT_WORDS_NAMED];
    uint32_t stranger_count; /* named ones */
    char *model_name;        /* of the first stranger's model */
};

void submit_words_init(struct submit_words *w);
void submit_words_finish(struct submit_words *w);
/* `facts` of the same submission. */
void submit_words_look(struct submit_words *w, struct submit_facts *facts,
                       const struct model *model, const char *prompt, size_t size);
/* The one warning, or NULL. Caller frees. */
char *submit_words_warning(const struct submit_words *w);

#endif

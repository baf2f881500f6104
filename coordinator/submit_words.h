/* submit_words: words of prompts that a model's own list does not have. Room-internal:
 * submit_file.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_WORDS_H
#define ZOE_COORDINATOR_SUBMIT_WORDS_H

#include "base/table.h"
#include "coordinator/models.h"

#define SUBMIT_WORDS_NAMED 5

struct submit_words {
    const struct model *model; /* whose list is loaded */
    struct table known;        /* word -> itself; empty when the model has no list */
    bool has_list;
    char *strangers[SUBMIT_WORDS_NAMED];
    uint32_t stranger_count; /* named ones */
    char *model_name;        /* of the first stranger's model */
};

void submit_words_init(struct submit_words *w);
void submit_words_finish(struct submit_words *w);
void submit_words_look(struct submit_words *w, const struct model *model, const char *prompt,
                       size_t size);
/* The one warning, or NULL. Caller frees. */
char *submit_words_warning(const struct submit_words *w);

#endif

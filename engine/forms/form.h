/* form: how the files of a model are laid out. One row a form; model_parts.c keeps what a row made.
 * Internal to engine/. */
#ifndef ZOE_ENGINE_FORMS_FORM_H
#define ZOE_ENGINE_FORMS_FORM_H

#include "engine/folder/model_parts.h"

#define FORM_CONFIG_LIMIT_BYTES ((size_t)1 << 20)

struct form {
    const char *name;
    const char *looks_for; /* for the message when nothing is recognised */

    /* Sets *state_out (may stay NULL) when `path` has this form. False without an error: it has
     * not. False with an error: it has, and something is wrong with it. */
    bool (*open)(const char *path, const json_t *manifest, void **state_out, struct error *err);
    void (*close)(void *state);

    /* The pipeline's class name; borrowed from the state or constant. */
    const char *(*pipeline)(struct model_parts *p, void *state, struct error *err);
    /* New references; *what_out is for the caller to free. */
    json_t *(*config)(struct model_parts *p, void *state, enum model_part part, char **what_out,
                      struct error *err);
    struct tensor_file *(*tensors)(struct model_parts *p, void *state, enum model_part part,
                                   struct error *err);
    /* Its tokenizer's folder for the caller to free, or NULL for CLIP's. */
    char *(*tokenizer)(struct model_parts *p, void *state);
};

/* Adds a sentence to model_parts_notes, once. */
void model_parts_note(struct model_parts *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The first of `candidates` (NULL-terminated) below `folder` that exists, or NULL; caller frees. */
char *form_find_file(const char *folder, const char *const *candidates);

#endif

/* recipe_mould: the canonical texts of recipes that differ in prompt and seed only, made by filling
 * two gaps of one text: byte for byte what json_canonical makes of the whole recipe, at a fraction
 * of its cost (each life cycle of a task needs that text twice). Pure. */
#ifndef ZOE_COORDINATOR_RECIPE_MOULD_H
#define ZOE_COORDINATOR_RECIPE_MOULD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct recipe_mould {
    char *text;          /* with the gaps cut out; NULL: not made yet */
    size_t prompt, seed; /* where they go */
    bool usable;         /* false: the base holds something that looks like a gap */
};

/* `base`: a recipe but for prompt and seed. */
void recipe_mould_make(struct recipe_mould *m, const json_t *base);
void recipe_mould_finish(struct recipe_mould *m);
/* Caller frees. `prompt` is UTF-8. */
char *recipe_mould_fill(const struct recipe_mould *m, const char *prompt, size_t prompt_size,
                        int64_t seed);

#endif

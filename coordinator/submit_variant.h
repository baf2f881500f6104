/* submit_variant: what one line of a submission means beside its prompt and seeds: which group it
 * belongs to and in what it differs from the group's base. Lines with the same fields share one
 * variant. Room-internal: submit_file.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_VARIANT_H
#define ZOE_COORDINATOR_SUBMIT_VARIANT_H

#include <jansson.h>

#include "base/prompt.h"
#include "base/table.h"
#include "coordinator/models.h"
#include "coordinator/submit_facts.h"
#include "coordinator/submit_file.h"
#include "coordinator/submit_loras.h"

struct submit_variant {
    uint32_t group;
    char *differs; /* JSON object text, or NULL */
    const struct model *model;
    enum prompt_syntax syntax; /* of the line's prompt, and the steps it is heard in */
    int steps;
    json_t *texts; /* prompts_by_frame, which are heard instead of the prompt; NULL without */
};

struct submit_variants {
    const struct submit_input *input;
    struct submit_result *result; /* groups are added there */
    json_t *options;              /* recipe fields of the options, canonical names */
    struct submit_loras loras;
    struct submit_facts facts;
    struct table known; /* canonical text of a line's fields -> struct submit_variant */
};

void submit_variants_init(struct submit_variants *v, const struct submit_input *input,
                          struct submit_result *result, json_t *options);
void submit_variants_finish(struct submit_variants *v);

/* `fields`: the line's recipe fields without prompt and seed, checked one by one already. NULL with
 * the name of the field at fault in `field` (64 bytes) and err. */
const struct submit_variant *submit_variants_of(struct submit_variants *v, const json_t *fields,
                                                char *field, struct error *err);

#endif

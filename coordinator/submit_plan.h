/* submit_plan: what tasks the clips of a line have: completes its recipe for the model's window,
 * and for clips that a second model makes larger finds that model and asks its rules too. For a
 * pool thread. Room-internal: submit_variant.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_PLAN_H
#define ZOE_COORDINATOR_SUBMIT_PLAN_H

#include <jansson.h>

#include "base/plan.h"
#include "coordinator/models.h"
#include "coordinator/submit_facts.h"

struct submit_plan {
    struct plan plan;
    const struct model *second;   /* of stage 1, borrowed from the list; NULL: there is none */
    int64_t width, height, steps; /* of stage 1; 0 without */
};

/* `recipe` is filled (recipe_fill) but for what a plan needs; `facts` are those of its model, and
 * `known` has those of the second; `noise_given`: a person asked for its noise. False with the
 * field at fault in `field` (64 bytes) and err. */
bool submit_plan_make(struct submit_plan *out, json_t *recipe, const json_t *facts,
                      bool noise_given, const struct model_list *models, struct submit_facts *known,
                      char *field, struct error *err);

#endif

/* submit_facts: what the models that a submission names say of themselves (`zoe-engine describe`),
 * parsed once a model for all its lines, in whatever order these come. For a pool thread.
 * Room-internal: submit_variant.c, submit_plan.c, submit_words.c. */
#ifndef ZOE_COORDINATOR_SUBMIT_FACTS_H
#define ZOE_COORDINATOR_SUBMIT_FACTS_H

#include <jansson.h>

#include "base/table.h"
#include "coordinator/models.h"

#define SUBMIT_FACTS_KEPT 256 /* models; beyond, all are parsed anew */

struct submit_facts {   /* zeroed: nothing is known */
    struct table known; /* name of a model -> json_t, owned */
};

void submit_facts_finish(struct submit_facts *f);

/* `model` is of the one list that the submission is checked with. A new reference, or NULL with
 * err. */
json_t *submit_facts_of(struct submit_facts *f, const struct model *model, struct error *err);

#endif

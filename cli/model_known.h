/* model_known: repositories whose best settings are known (docs/models.md), so that a person who
 * adds one renders with them from the first clip on. Data, in one table. */
#ifndef ZOE_CLI_MODEL_KNOWN_H
#define ZOE_CLI_MODEL_KNOWN_H

#include "cli/model_source.h"

struct known_model {
    const char *repository; /* OWNER/NAME on the hub */
    const char *name;       /* short, for people */
    const char *defaults;   /* JSON: recipe fields */
};

const struct known_model *model_known_find(const struct model_source *source); /* or NULL */
const struct known_model *model_known_all(int *count_out);

#endif

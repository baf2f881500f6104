/* job: the family-independent half of engine.h's jobs, and the model they share. Internal to
 * engine/. */
#ifndef ZOE_ENGINE_JOB_H
#define ZOE_ENGINE_JOB_H

#include "engine/engine.h"
#include "engine/model/family.h"

struct engine_model {
    struct ops *ops;
    const struct family *family;
    void *state; /* the family's */
    json_t *facts;
    json_t *loras, *lora_report; /* the options' and what came of them; NULL: none */
};

#endif

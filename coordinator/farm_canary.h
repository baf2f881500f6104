/* farm_canary: the part of the core's facade (farm.h) that is about canaries of models (W2): which
 * models have one, and what became of those that are out. */
#ifndef ZOE_COORDINATOR_FARM_CANARY_H
#define ZOE_COORDINATOR_FARM_CANARY_H

#include "coordinator/farm.h"

/* The model has a canary of its own, which workers render before they get its tasks. After
 * farm_new and whenever a model comes; more than once is fine. */
void farm_model_canary(struct farm *f, const struct digest *model, const char *name);

struct canary_out { /* the canary of a model that a session was given */
    struct digest model;
    const char *fingerprint; /* of its slot; valid until the next call */
};

/* False: that number is none of a model's canary, or not out any more. */
bool farm_canary_out(const struct farm *f, uint64_t session, uint64_t number,
                     struct canary_out *out);

enum canary_verdict { CANARY_RIGHT, CANARY_WRONG, CANARY_UNKNOWN };

struct farm_model_frame { /* what came of it */
    uint64_t number;
    const struct digest *frames_sha256; /* NULL: it failed, or its frame cannot be right */
    const char *message;                /* why then */
    enum canary_verdict said; /* by the model's canary.json; UNKNOWN: it has no answer for this */
};

void farm_model_canary_done(struct farm *f, uint64_t session, const struct farm_model_frame *frame,
                            int64_t now_ns);
#endif

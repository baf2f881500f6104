/* engine_profile: where a render's time and memory went, for `zoe-engine trace --profile`. */
#ifndef ZOE_WORKER_ENGINE_PROFILE_H
#define ZOE_WORKER_ENGINE_PROFILE_H

#include "engine/engine.h"

enum engine_profile_phase {
    ENGINE_PROFILE_OPEN,   /* weights */
    ENGINE_PROFILE_ENCODE, /* texts and pictures, plans */
    ENGINE_PROFILE_STEPS,
    ENGINE_PROFILE_DECODE,
    ENGINE_PROFILE_PHASES
};

struct engine_profile {
    int64_t last_ns, spent_ns[ENGINE_PROFILE_PHASES];
};

void engine_profile_begin(struct engine_profile *p);
/* The time since the last lap (or the beginning) went into that phase. */
void engine_profile_lap(struct engine_profile *p, enum engine_profile_phase phase);

/* One line of JSON to stderr: {"profile": {"bytes": {stored, weights, transformed, tensors, live,
 * workspace, rss_peak}, "seconds": {open, encode, steps, decode}}}; members as in struct
 * engine_memory, rss_peak 0 where the system does not tell. */
void engine_profile_print(const struct engine_profile *p, const struct engine_model *model);

#endif

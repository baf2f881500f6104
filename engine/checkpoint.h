/* checkpoint: a half-finished job as a safetensors file, so that its rest can be rendered later or
 * elsewhere, bit for bit as if it had never stopped.
 *
 * Tensors: `state` (engine/latents.h; here with "requests": digests of recipes, pictures and
 * foreign latents), `latents.R` of each request, and what the family adds: solver history,
 * positions of generators. Everything in it is checked before it is believed. Internal to engine/.
 */
#ifndef ZOE_ENGINE_CHECKPOINT_H
#define ZOE_ENGINE_CHECKPOINT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/safetensors.h"
#include "engine/latents.h"
#include "engine/request/request.h"

/* What a checkpoint must agree in with the job that goes on from it. */
struct checkpoint_state {
    struct latents_facts facts;
    const struct digest *requests; /* [count] */
    int count;
};

/* A request's recipe and the bytes of its pictures and of the latents it takes. */
struct digest checkpoint_request_digest(const struct engine_request *asked,
                                        const struct request *request);

void checkpoint_add_state(struct safetensors_writer *w, const struct checkpoint_state *state);
/* Reads facts.step; ERROR_INVALID, naming the file, when anything else differs from `state`. */
bool checkpoint_read_state(const struct safetensors *file, const char *path,
                           struct checkpoint_state *state, struct error *err);

/* Bytes under "NAME.index", borrowed from the file when read. */
void checkpoint_add_bytes(struct safetensors_writer *w, const char *name, int index,
                          const void *bytes, size_t size);
const uint8_t *checkpoint_read_bytes(const struct safetensors *file, const char *path,
                                     const char *name, int index, size_t *size_out,
                                     struct error *err);

#endif

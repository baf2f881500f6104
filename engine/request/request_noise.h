/* request_noise: what a recipe says of its noise. Pure. */
#ifndef ZOE_ENGINE_REQUEST_REQUEST_NOISE_H
#define ZOE_ENGINE_REQUEST_REQUEST_NOISE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "engine/noise/noise.h"

struct request_noise {
    const struct noise *noise;
    struct noise_setup setup;
    int batch_size, batch_index; /* clips that share a generator, and which this one is */
};

/* Reads noise, seed, batch_size, batch_index and cuda_threads of a checked recipe. ERROR_USAGE when
 * this build has no such noise. */
bool request_noise_read(struct request_noise *n, const json_t *recipe, struct error *err);

#endif

/* request_sampling: what a recipe says of the way from noise to latents. Pure. */
#ifndef ZOE_ENGINE_REQUEST_REQUEST_SAMPLING_H
#define ZOE_ENGINE_REQUEST_REQUEST_SAMPLING_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "engine/sampler/sampler.h"

struct request_sampling {
    const struct sampler *sampler;
    struct sampler_wish wish;
    double eta;
};

/* Reads scheduler, eta, timestep_spacing, use_karras_sigmas and prediction_type of a checked
 * recipe. ERROR_USAGE when this build has no such sampler. */
bool request_sampling_read(struct request_sampling *s, const json_t *recipe, struct error *err);

bool request_sampling_equal(const struct request_sampling *a, const struct request_sampling *b);

#endif

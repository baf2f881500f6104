/* sampler: turns noise predictions into less noisy latents, step by step. A table of rows; the
 * numbers equal those of diffusers' scheduler of the same name. Latents and history are float32 in
 * host memory; one thread at a time; no randomness of its own. */
#ifndef ZOE_ENGINE_SAMPLER_SAMPLER_H
#define ZOE_ENGINE_SAMPLER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/schedule/noise_schedule.h"

/* Fills `out` with fresh standard normal noise in the layout of the latents. */
typedef void sampler_noise_fn(void *arg, float *out);

struct sampler_setup { /* borrowed for the life of the state */
    const struct noise_schedule *schedule;
    const double *timesteps;
    int steps;
    int64_t count; /* floats of one request's latents */
    double eta;    /* of DDIM: 0 none, 1 all of the variance as fresh noise */
};

struct sampler_state;

struct sampler {
    const char *name;      /* "ddim": the recipe's */
    const char *scheduler; /* "DDIMScheduler": diffusers' class */
    const char *spacing;   /* default timestep_spacing */
    bool counts_end;       /* see noise_schedule_spacing_args */
    bool takes_eta;
    struct sampler_state *(*begin)(const struct sampler_setup *setup, struct error *err);
    void (*end)(struct sampler_state *state); /* NULL is fine */
    /* x: latents before step `index`, replaced by those after it. Steps come in order. */
    void (*step)(struct sampler_state *state, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg);
};

const struct sampler *sampler_find(const char *name);             /* NULL when unknown */
const struct sampler *sampler_find_class(const char *class_name); /* by diffusers' class */
const struct sampler *const *sampler_all(int *count_out);

/* Timesteps of a sampler on a folder's schedule. ERROR_USAGE when so many steps do not fit. */
bool sampler_timesteps(const struct sampler *sampler, const struct noise_schedule *schedule,
                       int steps, double *timesteps, struct error *err);

#endif

/* sampler: turns noise predictions into less noisy latents, step by step. A table of rows, each a
 * pure function over a run's shared state; the numbers equal those of diffusers' scheduler of the
 * same name. Latents and history are float32 in host memory; one thread at a time; no randomness of
 * its own. */
#ifndef ZOE_ENGINE_SAMPLER_SAMPLER_H
#define ZOE_ENGINE_SAMPLER_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/schedule/noise_schedule.h"

#define SAMPLER_KEPT_MAX 3

/* Fills `out` with fresh standard normal noise in the layout of the latents. */
typedef void sampler_noise_fn(void *arg, float *out);

enum sampler_draws { SAMPLER_DRAWS_NOTHING, SAMPLER_DRAWS_WITH_ETA, SAMPLER_DRAWS_ALWAYS };

struct sampler_run;

struct sampler {
    const char *name;    /* "ddim": the recipe's */
    const char *spacing; /* default timestep_spacing */
    bool counts_end;     /* see noise_schedule_spacing_args */
    bool fractional;     /* timesteps need not be whole */
    bool fixed_spacing;  /* `spacing` is the only one */
    bool karras;         /* can have sigmas as Karras et al. space them */
    bool sigma_space;    /* latents are clean + sigma * noise, not alpha * clean + sigma * noise */
    enum sampler_draws draws; /* fresh noise in its steps; only WITH_ETA takes eta */
    bool draws_float;         /* fresh noise is float32 even where latents are of half precision */
    bool scratch;             /* wants `noise` as scratch though it draws none */
    int kept;                 /* tensors of history, at most SAMPLER_KEPT_MAX */
    /* x: latents before step `index`, replaced by those after it. Steps come in order, from the
     * setup's first. */
    void (*step)(struct sampler_run *run, int index, float *x, const float *prediction,
                 sampler_noise_fn *noise, void *noise_arg);
};

const struct sampler *sampler_find(const char *name); /* NULL when unknown */
const struct sampler *const *sampler_all(int *count_out);

/* ---- the path: which noise levels are visited ---- */

enum sampler_switch { SAMPLER_AS_FOLDER, SAMPLER_OFF, SAMPLER_ON };

/* What a recipe wants otherwise than the folder's schedule says; zero-initialised: nothing. */
struct sampler_wish {
    const struct noise_schedule_spacing *spacing; /* NULL: the folder's, else the sampler's */
    enum sampler_switch karras;
    enum sampler_switch v; /* prediction is v, is the noise */
};

struct sampler_path {
    const struct sampler *sampler;
    int steps;
    enum noise_prediction prediction;
    double start_scale; /* of the noise it starts from (diffusers' init_noise_sigma) */
    double *timesteps;  /* [steps]: what the network sees */
    double *sigmas;     /* [steps + 1]: noise over signal; the last is what remains */
};

/* The path of a sampler on a folder's schedule. NULL with ERROR_USAGE when so many steps do not
 * fit. */
struct sampler_path *sampler_path_new(const struct sampler *sampler,
                                      const struct noise_schedule *schedule,
                                      const struct sampler_wish *wish, int steps,
                                      struct error *err);
void sampler_path_free(struct sampler_path *path); /* NULL is fine */

/* ---- a run: the state of one clip on its path ---- */

struct sampler_setup {
    const struct noise_schedule *schedule; /* this and the path: borrowed for the run's life */
    const struct sampler_path *path;
    int first;     /* step it starts at, with empty history; 0 = all noise */
    int64_t count; /* floats of the latents */
    double eta;    /* of DDIM: 0 none, 1 all of the variance as fresh noise */
};

struct sampler_run { /* what a checkpoint holds: kept[0 .. sampler->kept) and filled */
    struct sampler_setup setup;
    float *kept[SAMPLER_KEPT_MAX]; /* history, [count] each; the row says what is where */
    int filled;                    /* steps that left their trace in it; the row says up to what */
    float *noise;                  /* [count], scratch; NULL when nothing is drawn */
};

struct sampler_run *sampler_begin(const struct sampler_setup *setup, struct error *err);
void sampler_end(struct sampler_run *run); /* NULL is fine */
/* Forgets its history: the next step is `index`, as if the run began there. */
void sampler_restart(struct sampler_run *run, int index);

/* sampler->step of the path's sampler. */
void sampler_step(struct sampler_run *run, int index, float *x, const float *prediction,
                  sampler_noise_fn *noise, void *noise_arg);

/* What a prediction says of the clean latents at a step: clean = (keep * x - take * said) / part.
 */
struct sampler_clean {
    float keep, take, part;
};
struct sampler_clean sampler_clean_at(const struct sampler_path *path, int index);
static inline float sampler_clean(const struct sampler_clean *c, float x, float said)
{
    return (c->keep * x - c->take * said) / c->part;
}

/* A noise level as samplers of the DPM kind see it: x = alpha * clean + sigma * noise, lambda =
 * log(alpha / sigma), which is +inf without noise. */
struct sampler_point {
    double alpha, sigma, lambda;
};
struct sampler_point sampler_point_at(const struct sampler_path *path, int index);

/* Of DPM-Solver++(2M) at a step of width h in lambda, half of 1 / r0: how much of the difference to
 * the previous prediction is added; 0 for first order. */
double sampler_second_order_share(const struct sampler_run *run, int index, double h);

/* The network sees latents times this. */
double sampler_scale_input(const struct sampler_path *path, int index);
/* Noised latents at step `index` are clean_gain * clean + noise_gain * noise (diffusers'
 * add_noise); 1 and 0 at index == steps. */
void sampler_mix(const struct sampler_setup *setup, int index, double *clean_gain,
                 double *noise_gain);

#endif

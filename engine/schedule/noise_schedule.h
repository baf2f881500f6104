/* noise_schedule: how much noise there is at each of the training steps, and which of them a
 * sampler visits. The numbers equal those of diffusers' schedulers with the same
 * scheduler_config.json. Pure. */
#ifndef ZOE_ENGINE_SCHEDULE_NOISE_SCHEDULE_H
#define ZOE_ENGINE_SCHEDULE_NOISE_SCHEDULE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define NOISE_SCHEDULE_TRAIN_STEPS_MAX 100000

/* ---- betas ---- */

struct noise_schedule_betas { /* one row of the table */
    const char *name;         /* "scaled_linear" */
    void (*fill)(double start, double end, int count, float *betas);
};
const struct noise_schedule_betas *
noise_schedule_betas_find(const char *name); /* NULL when unknown */

/* ---- spacing ---- */

struct noise_schedule_spacing_args {
    int train_steps, steps;
    int offset;      /* steps_offset */
    bool fractional; /* timesteps need not be whole */
    bool counts_end; /* solvers that append a last sigma of their own: spaced for one step more,
                        whose end is dropped */
};
struct noise_schedule_spacing { /* one row of the table */
    const char *name;           /* "leading" */
    /* Timesteps in the order of visiting. False when so many steps do not fit. */
    bool (*fill)(const struct noise_schedule_spacing_args *args, double *timesteps);
};
const struct noise_schedule_spacing *
noise_schedule_spacing_find(const char *name); /* NULL when unknown */

/* ---- a folder's own schedule ---- */

/* What the network was trained to say: the noise, or v = alpha * noise - sigma * clean (T.
 * Salimans, J. Ho, "Progressive Distillation for Fast Sampling of Diffusion Models", 2022, appendix
 * D). */
enum noise_prediction { NOISE_PREDICTION_EPSILON, NOISE_PREDICTION_V };
bool noise_prediction_find(const char *name, enum noise_prediction *out); /* "epsilon" */

struct noise_schedule {
    int train_steps;
    float *alphas_cumprod; /* [train_steps] */
    float final_alpha;     /* "before" step 0: 1, or that of step 0 */
    int steps_offset;
    const struct noise_schedule_spacing *spacing; /* NULL: the sampler's default */
    bool karras;                                  /* use_karras_sigmas, for samplers that can */
    enum noise_prediction prediction;
    const char *sampler; /* the folder's own, by its recipe name; static */
    const char *note;    /* what a user should know of that choice, or NULL; static */
};

/* Reads a scheduler_config.json. ERROR_INVALID names values that are not built. */
bool noise_schedule_read(const char *path, struct noise_schedule *out, struct error *err);
/* The same of one that was read already; `what` names it in errors. */
bool noise_schedule_parse(const json_t *config, const char *what, struct noise_schedule *out,
                          struct error *err);
void noise_schedule_finish(struct noise_schedule *s);

#endif

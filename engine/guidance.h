/* guidance: how far each step goes from what the negative prompt predicts to what the prompt does
 * (J. Ho, T. Salimans, "Classifier-Free Diffusion Guidance", 2022). Pure; one thread at a time. */
#ifndef ZOE_ENGINE_GUIDANCE_H
#define ZOE_ENGINE_GUIDANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* What a recipe says of it. `by_step` is borrowed from the recipe. */
struct guidance {
    double scale;
    double rescale;        /* 0 .. 1 */
    double from, to;       /* step i of N is guided when from <= i / N < to */
    const json_t *by_step; /* {"0": 12, "10": 6} replaces `scale`; NULL: the same at every step */
};

/* Reads guidance_scale, guidance_rescale, guidance_interval and guidance_by_step of a checked
 * recipe. */
void guidance_read(struct guidance *g, const json_t *recipe);

/* The scale of step `index` of `steps`; 1 = the prompt alone, which needs no second prediction. */
double guidance_at(const struct guidance *g, int index, int steps);

/* out = negative + scale (positive - negative), for scales above 1; `out` may be either. */
void guidance_mix(double scale, const float *negative, const float *positive, int64_t count,
                  float *out);

/* Moves the standard deviation of `guided` by `rescale` towards that of `positive`, the prediction
 * for the prompt alone, over all values (S. Lin et al., "Common Diffusion Noise Schedules and
 * Sample Steps are Flawed", 2024, equations 14 to 16). */
void guidance_rescale(double rescale, const float *positive, int64_t count, float *guided);

/* The value of {"0": 12, "10": 6} at a place: straight between two keys, held before the first and
 * after the last. Keys are decimal numbers. */
double guidance_track_at(const json_t *track, double place);

#endif

#include "engine/guidance.h"

#include <math.h>
#include <stdlib.h>

#include "base/recipe.h"

static double member(const json_t *recipe, const char *name, size_t index, double fallback)
{
    const json_t *value = json_array_get(json_object_get(recipe, name), index);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

void guidance_read(struct guidance *g, const json_t *recipe)
{
    g->scale = recipe_real(recipe, "guidance_scale", 1);
    g->rescale = recipe_real(recipe, "guidance_rescale", 0);
    g->from = member(recipe, "guidance_interval", 0, 0);
    g->to = member(recipe, "guidance_interval", 1, 1);
    g->by_step = json_object_get(recipe, "guidance_by_step");
}

double guidance_at(const struct guidance *g, int index, int steps)
{
    const double place = (double)index / steps;
    if (place < g->from || place >= g->to) return 1;
    const double scale = g->by_step != NULL ? guidance_track_at(g->by_step, index) : g->scale;
    return scale > 1 ? scale : 1;
}

void guidance_mix(double scale, const float *negative, const float *positive, int64_t count,
                  float *out)
{
    const float gain = (float)scale;
    for (int64_t i = 0; i < count; i++)
        out[i] = negative[i] + gain * (positive[i] - negative[i]);
}

static double deviation(const float *values, int64_t count)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        sum += values[i];
    const double mean = sum / (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    return count > 1 ? sqrt(squares / (double)(count - 1)) : 0;
}

void guidance_rescale(double rescale, const float *positive, int64_t count, float *guided)
{
    const double now = deviation(guided, count);
    if (rescale <= 0 || now <= 0) return;
    const float gain = (float)(rescale * deviation(positive, count) / now + (1 - rescale));
    for (int64_t i = 0; i < count; i++)
        guided[i] *= gain;
}

/* ---- tracks ---- */

struct key {
    double place, value;
    bool found;
};

static struct key nearer(struct key best, double place, const json_t *value, double at, bool below)
{
    const bool fits = below ? place <= at : place >= at;
    if (!fits || (best.found && fabs(best.place - at) <= fabs(place - at))) return best;
    return (struct key){place, json_number_value(value), true};
}

double guidance_track_at(const json_t *track, double place)
{
    struct key before = {0}, after = {0};
    const char *name;
    json_t *value;
    json_t *walked = (json_t *)(uintptr_t)track; /* jansson walks only what it may change */
    json_object_foreach(walked, name, value)
    {
        const double at = strtod(name, NULL);
        before = nearer(before, at, value, place, true);
        after = nearer(after, at, value, place, false);
    }
    if (!before.found) return after.value;
    if (!after.found || after.place <= before.place) return before.value;
    const double share = (place - before.place) / (after.place - before.place);
    return before.value + share * (after.value - before.value);
}

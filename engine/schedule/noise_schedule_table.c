#include <string.h>

#include "engine/schedule/noise_schedule.h"

extern const struct noise_schedule_spacing noise_schedule_leading, noise_schedule_linspace,
    noise_schedule_trailing, noise_schedule_distilled;
extern const struct noise_schedule_betas noise_schedule_linear, noise_schedule_scaled_linear;

/* One row a spacing. */
static const struct noise_schedule_spacing *const spacings[] = {
    &noise_schedule_leading, &noise_schedule_linspace, &noise_schedule_trailing,
    &noise_schedule_distilled, /* of lcm; a recipe cannot choose it */
};

/* One row a curve of betas. */
static const struct noise_schedule_betas *const curves[] = {
    &noise_schedule_scaled_linear,
    &noise_schedule_linear,
};

const struct noise_schedule_spacing *noise_schedule_spacing_find(const char *name)
{
    for (size_t i = 0; i < sizeof spacings / sizeof spacings[0]; i++)
        if (strcmp(spacings[i]->name, name) == 0) return spacings[i];
    return NULL;
}

const struct noise_schedule_betas *noise_schedule_betas_find(const char *name)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (strcmp(curves[i]->name, name) == 0) return curves[i];
    return NULL;
}

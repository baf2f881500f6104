#include <string.h>

#include "engine/schedule/schedule.h"

extern const struct schedule_spacing schedule_leading, schedule_linspace, schedule_trailing;
extern const struct schedule_betas schedule_linear, schedule_scaled_linear;

/* One row a spacing. */
static const struct schedule_spacing *const spacings[] = {
    &schedule_leading,
    &schedule_linspace,
    &schedule_trailing,
};

/* One row a curve of betas. */
static const struct schedule_betas *const curves[] = {
    &schedule_scaled_linear,
    &schedule_linear,
};

const struct schedule_spacing *schedule_spacing_find(const char *name)
{
    for (size_t i = 0; i < sizeof spacings / sizeof spacings[0]; i++)
        if (strcmp(spacings[i]->name, name) == 0) return spacings[i];
    return NULL;
}

const struct schedule_betas *schedule_betas_find(const char *name)
{
    for (size_t i = 0; i < sizeof curves / sizeof curves[0]; i++)
        if (strcmp(curves[i]->name, name) == 0) return curves[i];
    return NULL;
}

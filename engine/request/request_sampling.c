#include "engine/request/request_sampling.h"

#include <string.h>

#include "base/recipe.h"

static enum sampler_switch turned(bool given, bool on)
{
    if (!given) return SAMPLER_AS_FOLDER;
    return on ? SAMPLER_ON : SAMPLER_OFF;
}

bool request_sampling_read(struct request_sampling *s, const json_t *recipe, struct error *err)
{
    const char *name = recipe_text(recipe, "scheduler", "");
    const char *spacing = recipe_text(recipe, "timestep_spacing", NULL);
    const char *prediction = recipe_text(recipe, "prediction_type", "");
    const json_t *karras = json_object_get(recipe, "use_karras_sigmas");
    s->sampler = sampler_find(name);
    s->eta = recipe_real(recipe, "eta", 0);
    s->wish.spacing = spacing != NULL ? noise_schedule_spacing_find(spacing) : NULL;
    s->wish.karras = turned(karras != NULL, json_is_true(karras));
    s->wish.v = turned(prediction[0] != '\0', strcmp(prediction, "v_prediction") == 0);
    return s->sampler != NULL ||
           error_set(err, ERROR_USAGE, "scheduler: \"%s\" is not built", name);
}

bool request_sampling_equal(const struct request_sampling *a, const struct request_sampling *b)
{
    return a->sampler == b->sampler && a->wish.spacing == b->wish.spacing &&
           a->wish.karras == b->wish.karras && a->wish.v == b->wish.v;
}

#include "engine/request_sampling.h"

#include <string.h>

#include "base/recipe.h"

static bool is_listed(const json_t *facts, const char *name)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(facts, "schedulers"), i, item)
    {
        if (strcmp(json_string_value(item), name) == 0) return true;
    }
    return false;
}

static bool read_sampler(struct request_sampling *s, const json_t *facts, const json_t *recipe,
                         struct error *err)
{
    const char *name = recipe_text(recipe, "scheduler", "");
    s->sampler = sampler_find(name);
    s->eta = recipe_real(recipe, "eta", 0);
    if (s->sampler == NULL || !is_listed(facts, name))
        return error_set(err, ERROR_USAGE, "scheduler: \"%s\" is not built for this model", name);
    if (s->eta > 0 && s->sampler->draws != SAMPLER_DRAWS_WITH_ETA)
        return error_set(err, ERROR_USAGE, "eta: %s takes none", name);
    return true;
}

static bool read_spacing(struct request_sampling *s, const json_t *recipe, struct error *err)
{
    const char *name = recipe_text(recipe, "timestep_spacing", NULL);
    if (name == NULL) return true;
    s->wish.spacing = noise_schedule_spacing_find(name);
    if (!s->sampler->fixed_spacing && s->wish.spacing != NULL) return true;
    return error_set(err, ERROR_USAGE, "timestep_spacing: %s has its own", s->sampler->name);
}

static bool read_karras(struct request_sampling *s, const json_t *recipe, struct error *err)
{
    const json_t *karras = json_object_get(recipe, "use_karras_sigmas");
    if (karras != NULL) s->wish.karras = json_is_true(karras) ? SAMPLER_ON : SAMPLER_OFF;
    if (s->wish.karras != SAMPLER_ON || s->sampler->karras) return true;
    return error_set(err, ERROR_USAGE, "use_karras_sigmas: %s has no such sigmas",
                     s->sampler->name);
}

bool request_sampling_read(struct request_sampling *s, const json_t *facts, const json_t *recipe,
                           struct error *err)
{
    const char *prediction = recipe_text(recipe, "prediction_type", NULL);
    memset(s, 0, sizeof *s);
    if (prediction != NULL)
        s->wish.v = strcmp(prediction, "v_prediction") == 0 ? SAMPLER_ON : SAMPLER_OFF;
    return read_sampler(s, facts, recipe, err) && read_spacing(s, recipe, err) &&
           read_karras(s, recipe, err);
}

bool request_sampling_equal(const struct request_sampling *a, const struct request_sampling *b)
{
    return a->sampler == b->sampler && a->wish.spacing == b->wish.spacing &&
           a->wish.karras == b->wish.karras && a->wish.v == b->wish.v;
}

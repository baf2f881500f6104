#include "base/canary_recipe.h"

#include <string.h>

#include "base/recipe.h"

bool canary_recipe_is_for(const json_t *facts)
{
    const char *family = json_string_value(json_object_get(facts, "family"));
    return family != NULL && strcmp(family, "lora") != 0 && strcmp(family, "pattern") != 0;
}

/* The legal value nearest above `wanted`, within a range of facts {min, max, step}; `wanted` itself
 * where the facts say nothing. */
static json_int_t legal(const json_t *facts, const char *name, json_int_t wanted)
{
    const json_t *range = json_object_get(facts, name);
    const json_int_t min = json_integer_value(json_object_get(range, "min"));
    const json_int_t max = json_integer_value(json_object_get(range, "max"));
    const json_int_t step = json_integer_value(json_object_get(range, "step"));
    if (!json_is_object(range) || min < 1 || max < min || step < 1) return wanted;
    if (wanted <= min) return min;
    const json_int_t steps = (wanted - min - 1) / step + 1, value = min + steps * step;
    return value <= max ? value : max - (max - min) % step;
}

json_t *canary_recipe_of(const json_t *facts, struct error *err)
{
    const char *name = json_string_value(json_object_get(facts, "name"));
    json_t *recipe = json_pack(
        "{ss sI sI sI sI sI}", "prompt", "a red circle on a white background", "seed",
        (json_int_t)1, "num_inference_steps", legal(facts, "steps", CANARY_RECIPE_STEPS), "width",
        legal(facts, "width", CANARY_RECIPE_SIDE), "height",
        legal(facts, "height", CANARY_RECIPE_SIDE), "num_frames", legal(facts, "frames", 1));
    if (recipe_fill(recipe, name, json_object_get(facts, "defaults"), err)) return recipe;
    json_decref(recipe);
    return NULL;
}

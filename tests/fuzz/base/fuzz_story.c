/* A story from outside: what is taken and placed gives a recipe that passes its own check, and
 * tells at most as many scenes as it was given. The first byte is the rate. */
#include <stdint.h>
#include <stdlib.h>

#include "base/recipe.h"
#include "base/story.h"
#include "base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_recipe(const struct story *s, int fps)
{
    struct error err = {0};
    json_t *recipe = story_recipe(s, &err);
    ZOE_ASSERT(recipe != NULL && recipe_check(recipe, &err));
    ZOE_ASSERT(json_object_set_new(recipe, "fps", json_integer(fps)) == 0);
    json_t *scenes = story_scenes(recipe);
    ZOE_ASSERT(json_array_size(scenes) <= (size_t)s->scene_count);
    json_decref(scenes);
    json_decref(recipe);
}

static void check_part(const struct story *s, uint8_t place)
{
    struct error err = {0};
    json_t *recipe = json_object();
    if (story_part(s, place, place * 2, place * 3 + 1, recipe, &err))
        ZOE_ASSERT(recipe_check(recipe, &err));
    json_decref(recipe);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {0};
    struct story s;
    const int fps = size > 0 ? data[0] % 120 + 1 : 1;
    const size_t head = size > 0;
    if (story_parse(&s, (const char *)data + head, size - head, &err) &&
        story_place(&s, fps, &err)) {
        check_recipe(&s, fps);
        check_part(&s, data[0]);
    }
    story_finish(&s);
    return 0;
}

#include "base/recipe_start.h"

#include <string.h>

#include "base/recipe.h"

#define VIDEO_STRENGTH 0.6
#define IMAGE_STRENGTH 0.8

static bool has(const json_t *recipe, const char *field)
{
    return json_object_get(recipe, field) != NULL;
}

void recipe_start_read(struct recipe_start *s, const json_t *recipe, int frames)
{
    memset(s, 0, sizeof *s);
    s->hold = json_object_get(recipe, "hold_frames");
    s->init = has(recipe, "init_video") || has(recipe, "init_image");
    s->masked = has(recipe, "mask");
    s->drawn = strcmp(recipe_text(recipe, "encode", "mean"), "sample") == 0;
    s->loop = json_is_true(json_object_get(recipe, "loop"));
    s->hold_first = has(recipe, "init_image") && frames > 1 && !s->masked && s->hold == NULL &&
                    !has(recipe, "strength");
    s->kept = s->masked || s->hold != NULL || s->hold_first;
    const double usual = frames > 1 ? VIDEO_STRENGTH : IMAGE_STRENGTH;
    s->strength = !s->init ? 1 : recipe_real(recipe, "strength", s->kept ? 1 : usual);
    s->mixed = s->init && !(s->kept && s->strength >= 1);
}

int recipe_start_skipped(const struct recipe_start *s, int steps)
{
    const int run = (int)(steps * s->strength);
    return run < steps ? steps - run : 0;
}

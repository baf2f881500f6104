#include "engine/request_start.h"

#include <string.h>

#include "base/recipe.h"

#define VIDEO_STRENGTH 0.6
#define IMAGE_STRENGTH 0.8

static bool has(const json_t *recipe, const char *field)
{
    return json_object_get(recipe, field) != NULL;
}

static bool check_company(const json_t *recipe, struct error *err)
{
    static const char *const dependent[] = {"mask", "strength", "encode", "hold_frames"};
    const bool video = has(recipe, "init_video"), image = has(recipe, "init_image");
    if (video && image)
        return error_set(err, ERROR_USAGE, "init_video and init_image: only one can be the start");
    for (size_t i = 0; i < sizeof dependent / sizeof dependent[0]; i++)
        if (has(recipe, dependent[i]) && !video && !image)
            return error_set(err, ERROR_USAGE, "%s: there is no init_video or init_image",
                             dependent[i]);
    return true;
}

static bool check_hold(const json_t *hold, int frames, struct error *err)
{
    const json_t *frame;
    size_t i;
    json_array_foreach(hold, i, frame) if (json_integer_value(frame) >= frames) return error_set(
        err, ERROR_USAGE,
        "hold_frames: there is no frame %d in %d (they count"
        " from 0)",
        (int)json_integer_value(frame), frames);
    return true;
}

bool request_start_read(struct request_start *s, const json_t *recipe, int frames, int steps,
                        struct error *err)
{
    memset(s, 0, sizeof *s);
    s->hold = json_object_get(recipe, "hold_frames");
    if (!check_company(recipe, err) || !check_hold(s->hold, frames, err)) return false;
    s->init = has(recipe, "init_video") || has(recipe, "init_image");
    s->masked = has(recipe, "mask");
    s->drawn = strcmp(recipe_text(recipe, "encode", "mean"), "sample") == 0;
    s->loop = json_is_true(json_object_get(recipe, "loop"));
    s->hold_first = has(recipe, "init_image") && frames > 1 && !s->masked && s->hold == NULL &&
                    !has(recipe, "strength");
    const bool kept = s->masked || s->hold != NULL || s->hold_first;
    const double usual = frames > 1 ? VIDEO_STRENGTH : IMAGE_STRENGTH;
    s->strength = !s->init ? 1 : recipe_real(recipe, "strength", kept ? 1 : usual);
    s->mixed = s->init && !(kept && s->strength >= 1);
    if (request_start_skipped(s, steps) < steps) return true;
    return error_set(err, ERROR_USAGE, "strength: %g of %d steps runs none", s->strength, steps);
}

int request_start_skipped(const struct request_start *s, int steps)
{
    const int run = (int)(steps * s->strength);
    return run < steps ? steps - run : 0;
}

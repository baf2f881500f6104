#include "engine/request.h"

#include <string.h>

#include "base/json.h"
#include "base/recipe.h"

static bool usage(struct error *err, bool ok)
{
    if (!ok && err != NULL) err->code = ERROR_USAGE;
    return ok;
}

/* Within facts[key] = {min, max, step}. */
static bool read_sized(const json_t *recipe, const char *field, const json_t *facts,
                       const char *key, int *out, struct error *err)
{
    const json_t *range = json_object_get(facts, key);
    int64_t value, min, max, step;
    if (!json_get_int(recipe, field, &value, "recipe", err) ||
        !json_get_int(range, "min", &min, key, err) ||
        !json_get_int(range, "max", &max, key, err) ||
        !json_get_int(range, "step", &step, key, err))
        return usage(err, false);
    if (value >= min && value <= max && step > 0 && (value - min) % step == 0) {
        *out = (int)value;
        return true;
    }
    return error_set(err, ERROR_USAGE, "%s: %lld is not one of %lld, %lld .. %lld", field,
                     (long long)value, (long long)min, (long long)(min + step), (long long)max);
}

static bool read_pattern(struct request *r, const json_t *facts, const json_t *recipe,
                         struct error *err)
{
    const json_t *pattern = json_object_get(recipe, "pattern");
    struct request_pattern *p = &r->pattern;
    const char *family;
    if (pattern == NULL) return true;
    if (!json_get_text(facts, "family", &family, "facts", err)) return false;
    if (strcmp(family, "pattern") != 0)
        return error_set(err, ERROR_USAGE,
                         "pattern: only for models of the family \"pattern\", not %s", family);
    return usage(err,
                 json_get_int_or(pattern, "step_ms", 0, &p->step_ms, "pattern", err) &&
                     json_get_int_or(pattern, "fail_step", 0, &p->fail_step, "pattern", err) &&
                     json_get_int_or(pattern, "hang_step", 0, &p->hang_step, "pattern", err) &&
                     json_get_int_or(pattern, "garbage_step", 0, &p->garbage_step, "pattern", err));
}

static bool read_numbers(struct request *r, const json_t *recipe, struct error *err)
{
    if (!guidance_read(&r->guidance, recipe, err) ||
        !json_get_text(recipe, "prompt", &r->prompt, "recipe", err) ||
        !json_get_text_or(recipe, "negative_prompt", "", &r->negative, "recipe", err))
        return usage(err, false);
    return true;
}

/* Families without latents have nothing to start from. */
static bool check_start(const struct request *r, const json_t *facts, struct error *err)
{
    if (json_is_true(json_object_get(facts, "init")) || (!r->start.init && !r->start.loop))
        return true;
    return error_set(err, ERROR_USAGE, "%s: not for this model",
                     r->start.init ? "init_video, init_image" : "loop");
}

bool request_parse_recipe(struct request *r, const json_t *facts, const json_t *recipe,
                          struct error *err)
{
    memset(r, 0, sizeof *r);
    json_t *checked = json_deep_copy(recipe);
    const bool legal = recipe_check(checked, err);
    json_decref(checked);
    return legal && read_numbers(r, recipe, err) &&
           read_sized(recipe, "num_inference_steps", facts, "steps", &r->steps, err) &&
           request_text_read(&r->text, facts, recipe, r->steps, err) &&
           read_sized(recipe, "width", facts, "width", &r->width, err) &&
           read_sized(recipe, "height", facts, "height", &r->height, err) &&
           read_sized(recipe, "num_frames", facts, "frames", &r->frames, err) &&
           request_sampling_read(&r->sampling, facts, recipe, err) &&
           request_noise_read(&r->noise, facts, recipe, err) &&
           request_start_read(&r->start, recipe, r->frames, r->steps, err) &&
           check_start(r, facts, err) && read_pattern(r, facts, recipe, err);
}

/* A picture is there when the recipe names one, and the other way round. */
static bool take_images(const struct request *r, const char *field, bool named,
                        const struct engine_images *images, struct engine_images *out,
                        struct error *err)
{
    if (named != (images->data != NULL || images->values != NULL))
        return error_set(err, ERROR_USAGE, "%s: %s", field,
                         named ? "the picture is missing"
                               : "a picture that the recipe does not name");
    if (!named) return true;
    if (images->width != r->width || images->height != r->height ||
        (images->frames != 1 && images->frames != r->frames))
        return error_set(err, ERROR_USAGE, "%s: %d frames of %dx%d do not suit %d of %dx%d", field,
                         images->frames, images->width, images->height, r->frames, r->width,
                         r->height);
    *out = *images;
    return true;
}

bool request_parse(struct request *r, const json_t *facts, const struct engine_request *asked,
                   struct error *err)
{
    const json_t *recipe = asked->recipe;
    return request_parse_recipe(r, facts, recipe, err) &&
           take_images(r, "init_video", r->start.init, &asked->init, &r->init, err) &&
           take_images(r, "mask", r->start.masked, &asked->mask, &r->mask, err);
}

bool request_same_shape(const struct request *a, const struct request *b, struct error *err)
{
    const char *field = NULL;
    if (a->width != b->width) field = "width";
    if (a->height != b->height) field = "height";
    if (a->frames != b->frames) field = "num_frames";
    if (a->steps != b->steps) field = "num_inference_steps";
    if (a->noise.noise != b->noise.noise) field = "noise";
    if (!request_sampling_equal(&a->sampling, &b->sampling)) field = "scheduler";
    if (a->start.strength != b->start.strength) field = "strength";
    if (a->start.loop != b->start.loop) field = "loop";
    if ((a->guidance.scale > 1) != (b->guidance.scale > 1))
        field = "guidance_scale (above 1 or not)";
    if (field == NULL) return true;
    return error_set(err, ERROR_USAGE, "requests of one job must agree in %s", field);
}

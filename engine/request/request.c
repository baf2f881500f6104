#include "engine/request/request.h"

#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/recipe_rules.h"

static bool usage(struct error *err, bool ok)
{
    if (!ok && err != NULL) err->code = ERROR_USAGE;
    return ok;
}

static bool read_pattern(struct request_pattern *p, const json_t *recipe, struct error *err)
{
    const json_t *pattern = json_object_get(recipe, "pattern");
    return pattern == NULL ||
           (json_get_int_or(pattern, "step_ms", 0, &p->step_ms, "pattern", err) &&
            json_get_int_or(pattern, "fail_step", 0, &p->fail_step, "pattern", err) &&
            json_get_int_or(pattern, "hang_step", 0, &p->hang_step, "pattern", err) &&
            json_get_int_or(pattern, "crash_step", 0, &p->crash_step, "pattern", err) &&
            json_get_int_or(pattern, "garbage_step", 0, &p->garbage_step, "pattern", err));
}

static bool read_count(const json_t *recipe, const char *field, int *out, struct error *err)
{
    int64_t value;
    if (!json_get_int(recipe, field, &value, "recipe", err)) return false;
    *out = (int)value;
    return true;
}

static bool read_plain(struct request *r, const json_t *recipe, struct error *err)
{
    return json_get_text(recipe, "prompt", &r->prompt, "recipe", err) &&
           json_get_text_or(recipe, "negative_prompt", "", &r->negative, "recipe", err) &&
           read_count(recipe, "num_inference_steps", &r->steps, err) &&
           read_count(recipe, "width", &r->width, err) &&
           read_count(recipe, "height", &r->height, err) &&
           read_count(recipe, "num_frames", &r->frames, err) &&
           read_pattern(&r->pattern, recipe, err);
}

static bool is_legal(const json_t *facts, const json_t *recipe, struct error *err)
{
    const char *field;
    json_t *checked = json_deep_copy(recipe);
    const bool legal = recipe_check(checked, err);
    json_decref(checked);
    return legal &&
           (recipe_rules_check(facts, recipe, &field, err) || error_wrap(err, "%s", field));
}

bool request_parse_recipe(struct request *r, const json_t *facts, const json_t *recipe,
                          struct error *err)
{
    memset(r, 0, sizeof *r);
    if (!is_legal(facts, recipe, err)) return false;
    guidance_read(&r->guidance, recipe);
    request_text_read(&r->text, recipe);
    if (!usage(err, read_plain(r, recipe, err))) return false;
    recipe_start_read(&r->start, recipe, r->frames);
    return request_sampling_read(&r->sampling, recipe, err) &&
           request_noise_read(&r->noise, recipe, err);
}

bool request_needs_init(const struct request *r)
{
    if (!r->start.init || r->window.task.kind == PLAN_JOIN) return false;
    return r->start.kept || r->window.step_first == 0;
}

/* A picture is there when the recipe names one, and the other way round. */
static bool take_images(const struct request *r, const char *field, bool named, bool needed,
                        const struct engine_images *images, struct engine_images *out,
                        struct error *err)
{
    const bool there = images->data != NULL || images->values != NULL;
    const int frames = r->window.frames;
    if ((needed && !there) || (there && !named))
        return error_set(err, ERROR_USAGE, "%s: %s", field,
                         named ? "the picture is missing"
                               : "a picture that the recipe does not name");
    if (!needed) return true;
    if (images->width != r->width || images->height != r->height ||
        (images->frames != 1 && images->frames != frames))
        return error_set(err, ERROR_USAGE, "%s: %d frames of %dx%d do not suit %d of %dx%d", field,
                         images->frames, images->width, images->height, frames, r->width,
                         r->height);
    *out = *images;
    return true;
}

bool request_parse(struct request *r, const json_t *facts, const struct engine_request *asked,
                   const char *fingerprint, struct error *err)
{
    const struct engine_window *w = &asked->window;
    const struct engine_images *init =
        w->task != NULL && w->task->stage == 1 ? &w->base : &asked->init;
    if (!request_parse_recipe(r, facts, asked->recipe, err) ||
        !request_window_read(&r->window, facts, asked, fingerprint, err))
        return false;
    return take_images(r, "init_video", r->start.init, request_needs_init(r), init, &r->init,
                       err) &&
           take_images(r, "mask", r->start.masked, r->start.masked, &asked->mask, &r->mask, err);
}

void request_finish(struct request *r)
{
    request_window_finish(&r->window);
}

static bool same_window(const struct request_window *a, const struct request_window *b)
{
    return a->task.number == b->task.number && a->task.kind == b->task.kind &&
           a->first == b->first && a->frames == b->frames && a->step_first == b->step_first &&
           a->evaluations == b->evaluations && a->repeats == b->repeats && a->jump == b->jump &&
           a->held_first == b->held_first && a->held_last == b->held_last;
}

bool request_same_shape(const struct request *a, const struct request *b, struct error *err)
{
    const char *field = same_window(&a->window, &b->window) ? NULL : "their task";
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

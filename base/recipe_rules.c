#include "base/recipe_rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/plan.h"
#include "base/plan_scene.h"
#include "base/prompt.h"
#include "base/recipe.h"
#include "base/recipe_start.h"

struct asked {
    const json_t *facts, *recipe;
    const char **field;
    struct error *err;
};

typedef bool rule_fn(const struct asked *a);

static bool refuse(const struct asked *a, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(const struct asked *a, const char *field, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    *a->field = field;
    return error_set(a->err, ERROR_USAGE, "%s", why);
}

static const json_t *given(const struct asked *a, const char *field)
{
    return json_object_get(a->recipe, field);
}

/* ---- what the model lists ---- */

static bool is_possible(const struct asked *a, const char *field, int64_t value, const char *fact)
{
    const json_t *range = json_object_get(a->facts, fact);
    if (!json_is_object(range)) return true;
    const int64_t min = recipe_int(range, "min", 0), max = recipe_int(range, "max", 0);
    const int64_t step = recipe_int(range, "step", 1);
    if (value >= min && value <= max && (step <= 1 || value % step == min % step)) return true;
    if (step <= 1)
        return refuse(a, field, "%lld is not possible with this model: %lld to %lld",
                      (long long)value, (long long)min, (long long)max);
    return refuse(a, field, "%lld is not possible with this model: %lld to %lld in steps of %lld",
                  (long long)value, (long long)min, (long long)max, (long long)step);
}

static bool in_range(const struct asked *a, const char *field, const char *fact)
{
    return given(a, field) == NULL || is_possible(a, field, recipe_int(a->recipe, field, 0), fact);
}

static bool check_sizes(const struct asked *a)
{
    return in_range(a, "width", "width") && in_range(a, "height", "height") &&
           in_range(a, "num_inference_steps", "steps");
}

/* What the model sees at a time is a window of the clip. */
static bool check_plan(const struct asked *a)
{
    struct plan plan;
    struct plan_scene scene;
    if (!plan_of_recipe(&plan, a->recipe, a->field, a->err)) return false;
    const char *field = plan.method == PLAN_WHOLE ? "num_frames" : "segment_frames";
    for (uint32_t i = 0; plan_scene_at(&plan, i, &scene); i++)
        if (!is_possible(a, field, plan_window_frames(&scene), "frames")) return false;
    return true;
}

static bool in_list(const struct asked *a, const char *field, const char *fact)
{
    const json_t *list = json_object_get(a->facts, fact), *item;
    const char *name = recipe_text(a->recipe, field, NULL);
    size_t i;
    if (!json_is_array(list) || name == NULL) return true;
    json_array_foreach(list, i, item)
    {
        if (json_is_string(item) && strcmp(json_string_value(item), name) == 0) return true;
    }
    return refuse(a, field, "\"%.60s\" is not built for this model", name);
}

static bool check_lists(const struct asked *a)
{
    return in_list(a, "scheduler", "schedulers") && in_list(a, "noise", "noises");
}

static bool check_family(const struct asked *a)
{
    const char *family = recipe_text(a->facts, "family", NULL);
    if (given(a, "pattern") == NULL || (family != NULL && strcmp(family, "pattern") == 0))
        return true;
    return refuse(a, "pattern", "only for models of the family \"pattern\", not %.60s",
                  family != NULL ? family : "this one");
}

/* ---- guidance and words ---- */

static bool check_guidance(const struct asked *a)
{
    const json_t *interval = given(a, "guidance_interval");
    const double from = json_number_value(json_array_get(interval, 0));
    const double to = json_number_value(json_array_get(interval, 1));
    if (interval == NULL || from <= to) return true;
    return refuse(a, "guidance_interval", "it ends at %g, before it begins at %g", to, from);
}

static bool check_encoder(const struct asked *a)
{
    static const char *const fields[] = {"clip_skip", "prompt_syntax", "tokenizer",
                                         "prompts_by_frame"};
    const json_t *range = json_object_get(a->facts, "clip_skip");
    for (size_t i = 0; json_is_null(range) && i < sizeof fields / sizeof fields[0]; i++)
        if (given(a, fields[i]) != NULL)
            return refuse(a, fields[i], "this model has no text encoder");
    const int64_t layers = recipe_int(range, "max", 0);
    if (!json_is_object(range) || recipe_int(a->recipe, "clip_skip", 0) <= layers) return true;
    return refuse(a, "clip_skip", "the text encoder has %lld layers", (long long)layers);
}

static bool check_prompt(const struct asked *a, const char *field, const char *text)
{
    const enum prompt_syntax syntax = prompt_syntax_of(a->recipe);
    *a->field = field;
    return text == NULL ||
           prompt_check(text, syntax, (int)recipe_int(a->recipe, "num_inference_steps", 1), a->err);
}

static bool check_prompts(const struct asked *a)
{
    json_t *by_frame = json_object_get(a->recipe, "prompts_by_frame"), *text;
    const char *frame;
    json_object_foreach(by_frame, frame, text)
    {
        if (!check_prompt(a, "prompts_by_frame", json_string_value(text))) return false;
    }
    return check_prompt(a, "prompt", recipe_text(a->recipe, "prompt", NULL)) &&
           check_prompt(a, "negative_prompt", recipe_text(a->recipe, "negative_prompt", NULL));
}

/* ---- sampling ---- */

static bool check_sampling(const struct asked *a)
{
    const char *name = recipe_text(a->recipe, "scheduler", "");
    const json_t *can = json_object_get(json_object_get(a->facts, "samplers"), name);
    if (recipe_real(a->recipe, "eta", 0) > 0 && json_is_false(json_object_get(can, "eta")))
        return refuse(a, "eta", "%s takes none", name);
    if (given(a, "timestep_spacing") != NULL && json_is_false(json_object_get(can, "spacing")))
        return refuse(a, "timestep_spacing", "%s has its own", name);
    if (json_is_true(given(a, "use_karras_sigmas")) &&
        json_is_false(json_object_get(can, "karras")))
        return refuse(a, "use_karras_sigmas", "%s has no such sigmas", name);
    return true;
}

static bool check_noise(const struct asked *a)
{
    const char *name = recipe_text(a->recipe, "noise", "");
    const json_t *kind = json_object_get(json_object_get(a->facts, "noise_kinds"), name);
    const json_t *threads = json_object_get(kind, "cuda_threads");
    if (json_is_true(threads) && given(a, "cuda_threads") == NULL)
        return refuse(a, "cuda_threads",
                      "noise of the kind %s depends on the card: its"
                      " multiprocessors times the threads of each, 270336 on an H100",
                      name);
    if (json_is_false(threads) && given(a, "cuda_threads") != NULL)
        return refuse(a, "cuda_threads", "only for noise of the kind cuda");
    const bool batch = given(a, "batch_size") != NULL || given(a, "batch_index") != NULL;
    if (batch && json_is_false(json_object_get(kind, "generator")))
        return refuse(a, "batch_size", "%s noise has no generator to share", name);
    return true;
}

static bool check_batch(const struct asked *a)
{
    const int64_t size = recipe_int(a->recipe, "batch_size", 1);
    const int64_t index = recipe_int(a->recipe, "batch_index", 0);
    if (index < size) return true;
    return refuse(a, "batch_index", "there is no clip %lld in a batch of %lld (they count from 0)",
                  (long long)index, (long long)size);
}

/* ---- start ---- */

/* Families without latents have nothing to start from; the frames of stage 0 they need not. */
static bool check_start_fits(const struct asked *a)
{
    static const char *const fields[] = {"init_video", "init_image", "loop"};
    if (!json_is_false(json_object_get(a->facts, "init"))) return true;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (given(a, fields[i]) != NULL && !json_is_false(given(a, fields[i])) &&
            strcmp(recipe_text(a->recipe, fields[i], ""), PLAN_BASE_VIDEO) != 0)
            return refuse(a, fields[i], "not for this model");
    return true;
}

static bool check_company(const struct asked *a)
{
    static const char *const dependent[] = {"mask", "strength", "encode", "hold_frames"};
    const bool video = given(a, "init_video") != NULL, image = given(a, "init_image") != NULL;
    if (video && image)
        return refuse(a, "init_image", "only one of init_video and init_image can be the start");
    for (size_t i = 0; !video && !image && i < sizeof dependent / sizeof dependent[0]; i++)
        if (given(a, dependent[i]) != NULL)
            return refuse(a, dependent[i], "there is no init_video or init_image to start from");
    return true;
}

static bool check_hold(const struct asked *a)
{
    const int64_t frames = recipe_int(a->recipe, "num_frames", 1);
    const json_t *frame;
    size_t i;
    json_array_foreach(given(a, "hold_frames"), i, frame)
    {
        if (json_integer_value(frame) >= frames)
            return refuse(a, "hold_frames", "there is no frame %lld in %lld (they count from 0)",
                          (long long)json_integer_value(frame), (long long)frames);
    }
    return true;
}

static bool check_strength(const struct asked *a)
{
    const int steps = (int)recipe_int(a->recipe, "num_inference_steps", 1);
    struct recipe_start start;
    recipe_start_read(&start, a->recipe, (int)recipe_int(a->recipe, "num_frames", 1));
    if (recipe_start_skipped(&start, steps) < steps) return true;
    return refuse(a, "strength", "%g of %d steps runs none", start.strength, steps);
}

/* ---- all of it ---- */

static rule_fn *const rules[] = {check_sizes,    check_plan,    check_lists,      check_family,
                                 check_guidance, check_encoder, check_prompts,    check_sampling,
                                 check_noise,    check_batch,   check_start_fits, check_company,
                                 check_hold,     check_strength};

bool recipe_rules_check(const json_t *facts, const json_t *recipe, const char **field,
                        struct error *err)
{
    const struct asked a = {facts, recipe, field, err};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
        if (!rules[i](&a)) return false;
    return true;
}

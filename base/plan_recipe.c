/* What a recipe says of its plan. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/plan.h"
#include "base/recipe.h"
#include "base/recipe_start.h"

/* Where nothing is said, docs/long-videos.md has the measurements behind it. */
#define OVERLAP_SHARE 4 /* of a window */
#define SEAM_WINDOW_MIN 5
#define UPSCALE_STRENGTH 0.6
#define SEAM_STRENGTH 0.6
#define RESAMPLE_JUMP 4

struct reading {
    const json_t *recipe;
    const char **field; /* never NULL */
    struct error *err;
};

static bool refuse(const struct reading *r, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool refuse(const struct reading *r, const char *field, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    *r->field = field;
    return error_set(r->err, ERROR_USAGE, "%s", why);
}

static uint32_t number(const struct reading *r, const char *field, uint32_t fallback)
{
    return (uint32_t)recipe_int(r->recipe, field, fallback);
}

static bool has(const struct reading *r, const char *field)
{
    return json_object_get(r->recipe, field) != NULL;
}

/* ---- parts ---- */

static enum plan_method method_of(const json_t *recipe)
{
    const char *name = recipe_text(recipe, "method", "chain");
    for (int m = PLAN_CHAIN; m < PLAN_METHOD_COUNT; m++)
        if (strcmp(name, plan_method_name((enum plan_method)m)) == 0) return (enum plan_method)m;
    return PLAN_CHAIN;
}

/* Evaluations that are left of `steps` when something is there to start from. */
static uint32_t steps_run(const json_t *recipe)
{
    const int steps = (int)recipe_int(recipe, "num_inference_steps", 1);
    struct recipe_start start;
    recipe_start_read(&start, recipe, (int)recipe_int(recipe, "num_frames", 1));
    return (uint32_t)(steps - recipe_start_skipped(&start, steps));
}

static uint32_t within(uint32_t value, uint32_t most)
{
    return value < 1 ? 1 : value > most ? most : value;
}

static uint32_t seam_steps(const struct reading *r, const struct plan *p)
{
    const double share = recipe_real(r->recipe, "seam_strength", SEAM_STRENGTH);
    return within((uint32_t)(number(r, "num_inference_steps", 1) * share), p->steps);
}

static void read_resampling(const struct reading *r, struct plan *p)
{
    struct recipe_start start;
    recipe_start_read(&start, r->recipe, (int)p->frames);
    p->resample_times = number(r, "resample_times", 1);
    if (p->resample_times == 1) return;
    p->resample_jump = number(r, "resample_jump", RESAMPLE_JUMP);
    p->keeps = start.kept ? 1 : 0;
}

static bool read_cuts(const struct reading *r, struct plan *p)
{
    const json_t *cut;
    size_t i;
    json_array_foreach(json_object_get(r->recipe, "cuts"), i, cut)
    {
        const json_int_t frame = json_integer_value(cut);
        const json_int_t before = i > 0 ? p->cuts[i - 1] : 0;
        if (i >= PLAN_CUTS_MAX) return refuse(r, "cuts", "at most %d", PLAN_CUTS_MAX);
        if (frame <= before || frame >= p->frames)
            return refuse(r, "cuts", "%lld must be after %lld and before %u", (long long)frame,
                          (long long)before, p->frames);
        p->cuts[p->cut_count++] = (uint32_t)frame;
    }
    return true;
}

static bool read_windows(const struct reading *r, struct plan *p)
{
    p->window = number(r, "segment_frames", p->frames);
    p->overlap =
        number(r, "overlap", p->window / OVERLAP_SHARE > 0 ? p->window / OVERLAP_SHARE : 1);
    const uint32_t most = p->method == PLAN_CHAIN ? p->window - 1 : p->window / 2;
    if (p->overlap < 1 || p->overlap > most)
        return refuse(r, "overlap", "%u; with %s and windows of %u frames it must be from 1 to %u",
                      p->overlap, plan_method_name((enum plan_method)p->method), p->window, most);
    if (p->method == PLAN_SEAM && p->window < SEAM_WINDOW_MIN)
        return refuse(r, "segment_frames", "seams need windows of %d frames or more",
                      SEAM_WINDOW_MIN);
    return true;
}

static bool read_start(const struct reading *r, struct plan *p)
{
    p->start = number(r, "extend_frames", 0);
    if (p->start == 0) return true;
    if (p->start >= p->frames)
        return refuse(r, "extend_frames", "%u of %u frames leave none to make", p->start,
                      p->frames);
    if (p->method == PLAN_UPSCALE)
        return refuse(r, "method", "a clip that was upscaled cannot be extended");
    if (!has(r, "extend_video") && !has(r, "extend_latents"))
        return refuse(r, "extend_frames", "there is no extend_video or extend_latents");
    return true;
}

static bool read_upscale(const struct reading *r, struct plan *p)
{
    static const char *const needed[] = {"upscale_model", "upscale_width", "upscale_height"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++) {
        if (p->method == PLAN_UPSCALE && !has(r, needed[i]))
            return refuse(r, needed[i], "the method upscale needs it");
        if (p->method != PLAN_UPSCALE && has(r, needed[i]))
            return refuse(r, needed[i], "only for the method upscale");
    }
    if (p->method != PLAN_UPSCALE) return true;
    json_t *second = plan_stage_recipe(r->recipe, 1);
    p->upscale_steps = steps_run(second);
    json_decref(second);
    if (p->upscale_steps > 0) return true;
    return refuse(r, "upscale_strength", "no step would be run");
}

/* Noise that is put back must be told by the frame, too. */
static bool check_resampling(const struct reading *r, const struct plan *p)
{
    const bool wanted = p->resample_times > 1;
    if (wanted && p->method == PLAN_WINDOWS)
        return refuse(r, "resample_times", "not with the method windows");
    if (wanted && p->keeps != 0 && strcmp(recipe_text(r->recipe, "noise", ""), "indexed") != 0)
        return refuse(r, "resample_times", "only with the noise \"indexed\"");
    return true;
}

static bool check_rest(const struct reading *r, const struct plan *p)
{
    if (json_is_true(json_object_get(r->recipe, "loop")))
        return refuse(r, "loop", "a clip of several windows cannot loop");
    if (strcmp(recipe_text(r->recipe, "noise", ""), "indexed") != 0)
        return refuse(
            r, "noise",
            "a clip of several windows takes \"indexed\": only that is told by the frame");
    /* A window makes at least one frame; before tasks are counted in 32 bits. */
    const uint64_t most = (uint64_t)p->frames * ((uint64_t)p->steps + p->upscale_steps + 2);
    if (most > UINT32_MAX || plan_task_count(p) > PLAN_TASKS_MAX)
        return refuse(r, "num_frames", "this would be more than %d tasks", PLAN_TASKS_MAX);
    return true;
}

/* ---- the whole ---- */

static bool is_whole(const struct reading *r, const struct plan *p)
{
    const uint32_t window = number(r, "segment_frames", p->frames);
    return !has(r, "segment_frames") ||
           (window >= p->frames && !has(r, "cuts") && number(r, "extend_frames", 0) == 0 &&
            method_of(r->recipe) != PLAN_UPSCALE);
}

bool plan_of_recipe(struct plan *out, const json_t *recipe, const char **field, struct error *err)
{
    const char *unused;
    const struct reading r = {recipe, field != NULL ? field : &unused, err};
    *out = plan_whole(number(&r, "num_frames", 1), steps_run(recipe));
    read_resampling(&r, out);
    if (is_whole(&r, out)) return check_resampling(&r, out);
    out->sync_every = number(&r, "sync_every", 1);
    out->seam_steps = seam_steps(&r, out);
    out->method = method_of(recipe);
    return read_cuts(&r, out) && read_windows(&r, out) && read_start(&r, out) &&
           read_upscale(&r, out) && check_rest(&r, out) && check_resampling(&r, out);
}

/* ---- filling ---- */

static void fill(json_t *recipe, const char *field, json_t *value)
{
    if (json_object_get(recipe, field) == NULL)
        (void)json_object_set_new(recipe, field, value);
    else
        json_decref(value);
}

bool plan_fill(json_t *recipe, int64_t window, bool noise_given, const char **field,
               struct error *err)
{
    static const char *const asks[] = {"cuts", "extend_frames", "method"};
    const int64_t frames = recipe_int(recipe, "num_frames", 1);
    int64_t size = recipe_int(recipe, "segment_frames", window > 0 ? window : frames);
    bool wanted = frames > size;
    for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
        wanted = wanted || json_object_get(recipe, asks[i]) != NULL;
    struct plan plan;
    if (wanted) {
        if (size > frames) size = frames;
        fill(recipe, "segment_frames", json_integer(size));
        fill(recipe, "method", json_string("chain"));
        fill(recipe, "overlap", json_integer(size / OVERLAP_SHARE > 0 ? size / OVERLAP_SHARE : 1));
        if (!noise_given) (void)json_object_set_new(recipe, "noise", json_string("indexed"));
    }
    return plan_of_recipe(&plan, recipe, field, err);
}

/* ---- stages ---- */

static void move(json_t *recipe, const char *from, const char *to)
{
    json_t *value = json_object_get(recipe, from);
    if (value != NULL) (void)json_object_set(recipe, to, value);
}

json_t *plan_stage_recipe(const json_t *recipe, uint32_t stage)
{
    static const char *const first_only[] = {"init_image",  "init_video",     "mask",
                                             "hold_frames", "encode",         "strength",
                                             "loras",       "prediction_type"};
    json_t *second = json_deep_copy(recipe);
    if (stage == 0) return second;
    for (size_t i = 0; i < sizeof first_only / sizeof first_only[0]; i++)
        (void)json_object_del(second, first_only[i]);
    move(second, "upscale_model", "model");
    move(second, "upscale_width", "width");
    move(second, "upscale_height", "height");
    move(second, "upscale_steps", "num_inference_steps");
    move(second, "upscale_strength", "strength");
    fill(second, "strength", json_real(UPSCALE_STRENGTH));
    fill(second, "init_video", json_string(PLAN_BASE_VIDEO));
    return second;
}

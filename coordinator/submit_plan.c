#include "coordinator/submit_plan.h"

#include <string.h>

#include "base/recipe.h"
#include "base/recipe_rules.h"

#define FIELD_SIZE 64

static bool fault(char *field, const char *name)
{
    strncpy(field, name, FIELD_SIZE - 1);
    field[FIELD_SIZE - 1] = '\0';
    return false;
}

static void fill(json_t *recipe, const char *name, const json_t *defaults, const char *from)
{
    json_t *value = json_object_get(defaults, from);
    if (json_object_get(recipe, name) == NULL && value != NULL)
        (void)json_object_set(recipe, name, value);
}

/* ---- the second model ---- */

static bool find_second(struct submit_plan *p, const json_t *recipe,
                        const struct model_list *models, struct error *err)
{
    const char *name = recipe_text(recipe, "upscale_model", NULL);
    if (name == NULL)
        return error_set(err, ERROR_INVALID, "the method upscale needs a second model");
    p->second = model_list_find(models, name);
    if (p->second != NULL && !p->second->is_lora) return true;
    const char *nearest = model_list_nearest(models, name);
    return error_set(err, ERROR_INVALID, "there is no model '%.100s'%s%s%s", name,
                     nearest ? "; did you mean '" : "; `zoe model list` shows them",
                     nearest ? nearest : "", nearest ? "'?" : "");
}

/* Its latents are those of the first model, made larger. */
static bool same_kind(const json_t *first, const json_t *second, struct error *err)
{
    static const char *const members[] = {"family", "output"};
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        const char *a = recipe_text(first, members[i], ""),
                   *b = recipe_text(second, members[i], "");
        if (strcmp(a, b) != 0)
            return error_set(err, ERROR_INVALID,
                             "it is of another kind than the first model: %.60s, not %.60s", b, a);
    }
    return true;
}

static void fill_second(json_t *recipe, const json_t *facts)
{
    const json_t *defaults = json_object_get(facts, "defaults");
    fill(recipe, "upscale_width", defaults, "width");
    fill(recipe, "upscale_height", defaults, "height");
    fill(recipe, "upscale_steps", defaults, "num_inference_steps");
}

/* Fields of its recipe as a person gives them. */
static const char *given_as(const char *field)
{
    static const char *const names[][2] = {{"model", "upscale_model"},
                                           {"width", "upscale_width"},
                                           {"height", "upscale_height"},
                                           {"num_inference_steps", "upscale_steps"},
                                           {"strength", "upscale_strength"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(field, names[i][0]) == 0) return names[i][1];
    return field;
}

static bool follows_rules(const json_t *recipe, const json_t *facts, char *field, struct error *err)
{
    const char *wrong = "";
    json_t *second = plan_stage_recipe(recipe, 1);
    const bool ok = recipe_rules_check(facts, second, &wrong, err);
    json_decref(second);
    if (ok) return true;
    fault(field, given_as(wrong));
    return error_wrap(err, "the second model");
}

/* ---- the whole ---- */

/* What a video begins with has to be there. */
static bool can_begin(const struct submit_plan *p, const json_t *recipe, const char **field,
                      struct error *err)
{
    const bool keeps = !json_is_false(json_object_get(recipe, "extend_keep"));
    if (p->plan.start == 0 || !keeps || json_object_get(recipe, "extend_video") != NULL)
        return true;
    *field = "extend_video";
    return error_set(err, ERROR_INVALID,
                     "the video begins with frames that exist already: give them, or say "
                     "extend_keep false");
}

static bool fill_plan(struct submit_plan *p, json_t *recipe, const json_t *facts, bool noise_given,
                      char *field, struct error *err)
{
    const char *wrong = "";
    if (plan_fill(recipe, recipe_int(facts, "window", 0), noise_given, &wrong, err) &&
        plan_of_recipe(&p->plan, recipe, &wrong, err) && can_begin(p, recipe, &wrong, err))
        return true;
    return fault(field, wrong);
}

static bool with_second(struct submit_plan *p, json_t *recipe, const json_t *facts,
                        const json_t *second, bool noise_given, char *field, struct error *err)
{
    fault(field, "upscale_model");
    if (second == NULL || !same_kind(facts, second, err)) return false;
    fill_second(recipe, second);
    if (!fill_plan(p, recipe, facts, noise_given, field, err) ||
        !follows_rules(recipe, second, field, err))
        return false;
    p->width = recipe_int(recipe, "upscale_width", 0);
    p->height = recipe_int(recipe, "upscale_height", 0);
    p->steps = recipe_int(recipe, "upscale_steps", recipe_int(recipe, "num_inference_steps", 0));
    return true;
}

static bool check_output(const json_t *recipe, const json_t *facts, char *field, struct error *err)
{
    static const char *const sides[] = {"output_width", "output_height"};
    static const char *const moving[] = {"audio", "output_fps", "output_width"};
    const bool image = strcmp(recipe_text(facts, "output", ""), "image") == 0;
    for (size_t i = 0; image && i < sizeof moving / sizeof moving[0]; i++) {
        if (json_object_get(recipe, moving[i]) == NULL) continue;
        fault(field, moving[i]);
        return error_set(err, ERROR_INVALID, "this model makes images: only of videos");
    }
    for (size_t i = 0; i < 2; i++) {
        if (json_object_get(recipe, sides[i]) == NULL ||
            json_object_get(recipe, sides[1 - i]) != NULL)
            continue;
        fault(field, sides[i]);
        return error_set(err, ERROR_INVALID, "%s belongs to it", sides[1 - i]);
    }
    return true;
}

/* A report is what one task saw; nothing is kept that could be put together. */
static bool check_report(const struct submit_plan *p, const json_t *recipe, char *field,
                         struct error *err)
{
    if (!json_is_true(json_object_get(recipe, "report")) || p->plan.method == PLAN_WHOLE)
        return true;
    fault(field, "report");
    return error_set(err, ERROR_INVALID,
                     "only of clips that fit the model's window: this one is made in segments");
}

bool submit_plan_make(struct submit_plan *out, json_t *recipe, const json_t *facts,
                      bool noise_given, const struct model_list *models, struct submit_facts *known,
                      char *field, struct error *err)
{
    *out = (struct submit_plan){.second = NULL};
    if (!check_output(recipe, facts, field, err)) return false;
    if (strcmp(recipe_text(recipe, "method", ""), plan_method_name(PLAN_UPSCALE)) != 0)
        return fill_plan(out, recipe, facts, noise_given, field, err) &&
               check_report(out, recipe, field, err);
    fault(field, "upscale_model");
    if (!find_second(out, recipe, models, err)) return false;
    json_t *second = submit_facts_of(known, out->second, err);
    const bool ok = with_second(out, recipe, facts, second, noise_given, field, err) &&
                    check_report(out, recipe, field, err);
    json_decref(second);
    return ok;
}

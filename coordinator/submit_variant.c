#include "coordinator/submit_variant.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/recipe_rules.h"
#include "base/xalloc.h"
#include "coordinator/submit_inputs.h"
#include "coordinator/submit_plan.h"

#define FIELD_SIZE 64
#define VARIANTS_KEPT 4096 /* a file whose lines all differ must not fill the memory */

static bool fault(char *field, const char *name)
{
    strncpy(field, name, FIELD_SIZE - 1);
    field[FIELD_SIZE - 1] = '\0';
    return false;
}

/* ---- completing ---- */

static const struct model *find_model(const struct submit_variants *v, const json_t *recipe,
                                      char *field, struct error *err)
{
    const struct model_list *models = v->input->models;
    const char *name = json_string_value(json_object_get(recipe, "model"));
    if (name == NULL) name = v->input->default_model;
    if (name == NULL) name = model_list_default(models);
    fault(field, "model");
    if (name == NULL) {
        error_set(err, ERROR_INVALID, "no model is named, and there is no default");
        return NULL;
    }
    const struct model *model = model_list_find(models, name);
    if (model != NULL && model->is_lora) {
        error_set(err, ERROR_INVALID,
                  "'%.100s' is a LoRA: give it with --lora to the model that it changes", name);
        return NULL;
    }
    const char *nearest = model ? NULL : model_list_nearest(models, name);
    if (model == NULL)
        error_set(err, ERROR_INVALID, "there is no model '%.100s'%s%s%s", name,
                  nearest ? "; did you mean '" : "; `zoe model list` shows them",
                  nearest ? nearest : "", nearest ? "'?" : "");
    return model;
}

static bool follows_rules(const json_t *facts, const json_t *recipe, char *field, struct error *err)
{
    const char *wrong;
    return recipe_rules_check(facts, recipe, &wrong, err) || fault(field, wrong);
}

static bool pin_loras(struct submit_variants *v, json_t *recipe, const struct model *model,
                      const json_t *facts, char *field, struct error *err)
{
    return submit_loras_pin(&v->loras, recipe, model, facts, err) || fault(field, "loras");
}

/* What an older build described says nothing: it is a video. */
static enum output_kind output_of(const json_t *facts, const json_t *recipe)
{
    enum output_kind kind = OUTPUT_VIDEO;
    const char *name = json_string_value(json_object_get(facts, "output"));
    if (json_is_true(json_object_get(recipe, "report"))) return OUTPUT_REPORT;
    if (name != NULL) (void)output_kind_find(name, &kind);
    return kind;
}

/* Everything but prompt and seed, complete. New reference or NULL. */
static json_t *complete(struct submit_variants *v, json_t *recipe, const struct model *model,
                        const json_t *facts, struct submit_plan *plan, char *field,
                        struct error *err)
{
    const bool noise_given = json_object_get(recipe, "noise") != NULL;
    json_object_set_new(recipe, "prompt", json_string("x"));
    json_object_set_new(recipe, "seed", json_integer(0));
    fault(field, "");
    bool ok = recipe_fill(recipe, model->name, json_object_get(facts, "defaults"), err) &&
              submit_plan_make(plan, recipe, facts, noise_given, v->input->models, &v->facts, field,
                               err) &&
              follows_rules(facts, recipe, field, err) &&
              pin_loras(v, recipe, model, facts, field, err);
    json_object_del(recipe, "prompt");
    json_object_del(recipe, "seed");
    return ok ? json_incref(recipe) : NULL;
}

/* ---- groups ---- */

struct line {
    const struct model *model;
    json_t *recipe; /* complete */
    struct digest loras;
    struct submit_plan plan;
    enum output_kind output;
};

static int64_t number(const json_t *recipe, const char *name)
{
    return (int64_t)json_integer_value(json_object_get(recipe, name));
}

static bool same_plan(const struct submit_group *g, const struct submit_plan *p)
{
    const struct digest none = {{0}};
    const struct digest *second = p->second != NULL ? &p->second->digest : &none;
    return memcmp(&g->plan, &p->plan, sizeof g->plan) == 0 &&
           digest_equal(&g->second_digest, second) && g->second_width == p->width &&
           g->second_height == p->height && g->second_steps == p->steps;
}

static bool same_shape(const struct submit_group *g, const struct line *l)
{
    return digest_equal(&g->loras, &l->loras) && strcmp(g->model, l->model->name) == 0 &&
           g->width == number(l->recipe, "width") && g->height == number(l->recipe, "height") &&
           g->frames == number(l->recipe, "num_frames") &&
           g->steps == number(l->recipe, "num_inference_steps") &&
           g->fps == (double)number(l->recipe, "fps") && g->output == l->output &&
           same_plan(g, &l->plan);
}

static void add_group(struct submit_result *r, const struct line *l)
{
    r->groups = xrealloc_array(r->groups, r->group_count + 1, sizeof *r->groups);
    struct submit_group *g = &r->groups[r->group_count++];
    *g = (struct submit_group){.model = xstrdup(l->model->name),
                               .model_digest = l->model->digest,
                               .loras = l->loras,
                               .width = number(l->recipe, "width"),
                               .height = number(l->recipe, "height"),
                               .frames = number(l->recipe, "num_frames"),
                               .steps = number(l->recipe, "num_inference_steps"),
                               .fps = (double)number(l->recipe, "fps"),
                               .output = l->output,
                               .plan = l->plan.plan,
                               .second_width = l->plan.width,
                               .second_height = l->plan.height,
                               .second_steps = l->plan.steps,
                               .base = json_incref(l->recipe)};
    if (l->plan.second == NULL) return;
    g->second = xstrdup(l->plan.second->name);
    g->second_digest = l->plan.second->digest;
}

static bool group_of(struct submit_result *r, const struct line *l, uint32_t *out,
                     struct error *err)
{
    for (uint32_t i = 0; i < r->group_count; i++) {
        if (!same_shape(&r->groups[i], l)) continue;
        *out = i;
        return true;
    }
    if (r->group_count == LIMIT_GROUPS)
        return error_set(err, ERROR_INVALID,
                         "the lines differ in more than %d combinations of model, LoRAs, size, "
                         "frames, steps, fps and plan: split the file",
                         LIMIT_GROUPS);
    *out = r->group_count;
    add_group(r, l);
    return true;
}

/* What to change in `base` to get `recipe`; a null member removes a field. NULL when they agree. */
static char *differences(const json_t *base, const json_t *recipe)
{
    json_t *changes = json_object();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)recipe, key, value)
    {
        if (!json_equal(json_object_get(base, key), value)) json_object_set(changes, key, value);
    }
    json_object_foreach((json_t *)(uintptr_t)base, key, value)
    {
        if (json_object_get(recipe, key) == NULL) json_object_set_new(changes, key, json_null());
    }
    char *text = json_object_size(changes) ? json_canonical(changes) : NULL;
    json_decref(changes);
    return text;
}

/* ---- variants ---- */

void submit_variants_init(struct submit_variants *v, const struct submit_input *input,
                          struct submit_result *result, json_t *options)
{
    *v = (struct submit_variants){.input = input, .result = result, .options = options};
    submit_loras_init(&v->loras, input->models);
    table_init(&v->known);
}

static void forget_variants(struct submit_variants *v)
{
    struct submit_variant *variant;
    for (size_t i = 0; (variant = table_next(&v->known, &i, NULL, NULL)) != NULL;) {
        free(variant->differs);
        json_decref(variant->texts);
        free(variant);
    }
    table_finish(&v->known);
}

void submit_variants_finish(struct submit_variants *v)
{
    forget_variants(v);
    submit_facts_finish(&v->facts);
    submit_loras_finish(&v->loras);
}

/* A line's own length counts, in whichever way the options say theirs. */
static void forget_length(json_t *options, const json_t *own)
{
    if (json_object_get(own, "num_frames") != NULL) json_object_del(options, "seconds");
    if (json_object_get(own, "seconds") != NULL) json_object_del(options, "num_frames");
}

static struct submit_variant *new_variant(const struct submit_variants *v, const struct line *l,
                                          uint32_t group)
{
    struct submit_variant *variant = xcalloc(1, sizeof *variant);
    variant->group = group;
    variant->model = l->model;
    variant->syntax = prompt_syntax_of(l->recipe);
    variant->steps = (int)number(l->recipe, "num_inference_steps");
    variant->differs = differences(v->result->groups[group].base, l->recipe);
    variant->texts = json_incref(json_object_get(l->recipe, "prompts_by_frame"));
    return variant;
}

static struct submit_variant *make(struct submit_variants *v, const json_t *fields, char *field,
                                   struct error *err)
{
    json_t *recipe = json_deep_copy(v->options), *own = json_deep_copy(fields);
    json_t *facts = NULL;
    forget_length(recipe, own);
    json_object_update(recipe, own);
    json_decref(own);
    struct submit_variant *variant = NULL;
    uint32_t group = 0;
    struct line line = {.model = find_model(v, recipe, field, err)};
    if (line.model != NULL) facts = submit_facts_of(&v->facts, line.model, err);
    if (facts != NULL) line.recipe = complete(v, recipe, line.model, facts, &line.plan, field, err);
    line.output = output_of(facts, line.recipe);
    if (line.recipe != NULL) line.loras = submit_loras_digest(line.recipe);
    if (line.recipe != NULL && group_of(v->result, &line, &group, err)) {
        submit_inputs_want(v->result, line.recipe, &line.plan.plan);
        variant = new_variant(v, &line, group);
    }
    json_decref(facts);
    json_decref(line.recipe);
    json_decref(recipe);
    return variant;
}

const struct submit_variant *submit_variants_of(struct submit_variants *v, const json_t *fields,
                                                char *field, struct error *err)
{
    char *text = json_canonical(fields);
    struct submit_variant *variant = table_get_text(&v->known, text);
    if (variant == NULL) {
        if (v->known.count == VARIANTS_KEPT) forget_variants(v);
        variant = make(v, fields, field, err);
        if (variant != NULL) table_set_text(&v->known, text, variant);
    }
    free(text);
    return variant;
}

/* submit_setting: see the header. */
#include "coordinator/submit_setting.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"

#define MEMO_MAX 2048

void submit_settings_init(struct submit_settings *s, const struct submit_input *input,
                          json_t *options, struct submit_result *result)
{
    *s = (struct submit_settings){.list = input->models,
                                  .default_model = input->default_model,
                                  .options = options,
                                  .result = result};
    table_init(&s->models);
    table_init(&s->groups);
    table_init(&s->memo);
}

static void clear_memo(struct submit_settings *s)
{
    struct submit_setting *setting;
    for (size_t i = 0; (setting = table_next(&s->memo, &i, NULL, NULL)) != NULL;) {
        free(setting->differs);
        free(setting);
    }
    table_finish(&s->memo);
    table_init(&s->memo);
}

void submit_settings_finish(struct submit_settings *s)
{
    struct submit_model *m;
    clear_memo(s);
    for (size_t i = 0; (m = table_next(&s->models, &i, NULL, NULL)) != NULL;) {
        json_decref(m->facts);
        submit_words_finish(&m->words);
        free(m);
    }
    table_finish(&s->models);
    table_finish(&s->groups);
    table_finish(&s->memo);
}

static bool wrong(char field[SUBMIT_FIELD_SIZE], const char *name)
{
    snprintf(field, SUBMIT_FIELD_SIZE, "%s", name);
    return false;
}

/* ---- models ---- */

static bool explain_missing(const struct submit_settings *s, const char *name, struct error *err)
{
    for (size_t i = 0; i < s->list->count; i++) {
        const struct model *m = s->list->models[i];
        if (m->problem != NULL && strcmp(m->name, name) == 0)
            return error_set(err, ERROR_USAGE, "the model '%s' cannot be used: %s", name,
                             m->problem);
    }
    const char *nearest = model_list_nearest(s->list, name);
    return error_set(err, ERROR_USAGE, "there is no model '%.100s'%s%s%s", name,
                     nearest ? "; did you mean '" : "", nearest ? nearest : "",
                     nearest ? "'?" : ": see `zoe model list`");
}

static struct submit_model *open_model(struct submit_settings *s, const char *name,
                                       struct error *err)
{
    const struct model *model = model_list_find(s->list, name);
    if (model == NULL) {
        explain_missing(s, name, err);
        return NULL;
    }
    json_t *facts = json_parse(model->description, strlen(model->description), name, err);
    if (facts == NULL) return NULL;
    struct submit_model *m = xcalloc(1, sizeof *m);
    m->model = model;
    m->facts = facts;
    submit_words_init(&m->words, json_object_get(facts, "words"));
    table_set_text(&s->models, name, m);
    return m;
}

static struct submit_model *model_of(struct submit_settings *s, const json_t *recipe,
                                     struct error *err)
{
    const char *name = recipe_text(recipe, "model", s->default_model);
    if (name == NULL) name = model_list_default(s->list);
    if (name == NULL) {
        error_set(err, ERROR_USAGE, "no model is named, and this farm has no default one");
        return NULL;
    }
    struct submit_model *m = table_get_text(&s->models, name);
    return m ? m : open_model(s, name, err);
}

/* ---- checks against what the engine says ---- */

static bool check_range(const json_t *recipe, const char *field, const json_t *facts,
                        const char *key, struct error *err)
{
    const json_t *range = json_object_get(facts, key);
    int64_t min, max, step, value = recipe_int(recipe, field, 0);
    if (range == NULL) return true;
    if (!json_get_int(range, "min", &min, key, err) ||
        !json_get_int(range, "max", &max, key, err) ||
        !json_get_int_or(range, "step", 1, &step, key, err))
        return false;
    if (value >= min && value <= max && (step < 1 || (value - min) % step == 0)) return true;
    return error_set(err, ERROR_USAGE,
                     "%s is %" PRId64 "; this model takes %" PRId64 ", %" PRId64 " .. %" PRId64,
                     field, value, min, min + step, max);
}

static bool check_choice(const json_t *recipe, const char *field, json_t *facts, const char *key,
                         struct error *err)
{
    const json_t *list = json_object_get(facts, key);
    const char *value = recipe_text(recipe, field, "");
    if (!json_is_array(list)) return true;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *known = json_string_value(json_array_get(list, i));
        if (known != NULL && strcmp(known, value) == 0) return true;
    }
    char *known = json_line(list);
    error_set(err, ERROR_USAGE, "%s is \"%s\"; this model takes one of %s", field, value, known);
    free(known);
    return false;
}

static bool check_pattern(const json_t *recipe, const json_t *facts, struct error *err)
{
    const char *family = json_string_value(json_object_get(facts, "family"));
    if (json_object_get(recipe, "pattern") == NULL) return true;
    if (family != NULL && strcmp(family, "pattern") == 0) return true;
    return error_set(err, ERROR_USAGE,
                     "pattern is for models of the family pattern; this one is %s",
                     family ? family : "of another");
}

static const struct {
    const char *field, *key;
    bool choice;
} checks[] = {
    {"width", "width", false},         {"height", "height", false},
    {"num_frames", "frames", false},   {"num_inference_steps", "steps", false},
    {"scheduler", "schedulers", true}, {"noise", "noises", true},
};

static bool check_recipe(const json_t *recipe, json_t *facts, char field[SUBMIT_FIELD_SIZE],
                         struct error *err)
{
    for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
        bool ok = checks[i].choice
                      ? check_choice(recipe, checks[i].field, facts, checks[i].key, err)
                      : check_range(recipe, checks[i].field, facts, checks[i].key, err);
        if (!ok) return wrong(field, checks[i].field);
    }
    return check_pattern(recipe, facts, err) || wrong(field, "pattern");
}

/* ---- groups ---- */

static bool find_group(struct submit_settings *s, const struct submit_model *m, json_t *recipe,
                       uint32_t *group_out, char field[SUBMIT_FIELD_SIZE], struct error *err)
{
    struct submit_result *r = s->result;
    char *shape =
        xasprintf("%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %.17g", m->model->name,
                  recipe_int(recipe, "width", 0), recipe_int(recipe, "height", 0),
                  recipe_int(recipe, "num_frames", 0), recipe_int(recipe, "num_inference_steps", 0),
                  recipe_real(recipe, "fps", 0));
    uintptr_t known = (uintptr_t)table_get_text(&s->groups, shape);
    if (known == 0 && r->group_count == LIMIT_GROUPS) {
        free(shape);
        wrong(field, "");
        return error_set(err, ERROR_USAGE,
                         "more than %d different shapes (model, size, frames, steps, fps)",
                         LIMIT_GROUPS);
    }
    if (known == 0) {
        r->groups = xrealloc_array(r->groups, r->group_count + 1, sizeof *r->groups);
        r->groups[r->group_count++] =
            (struct submit_group){.model = xstrdup(m->model->name),
                                  .model_digest = m->model->digest,
                                  .width = recipe_int(recipe, "width", 0),
                                  .height = recipe_int(recipe, "height", 0),
                                  .frames = recipe_int(recipe, "num_frames", 0),
                                  .steps = recipe_int(recipe, "num_inference_steps", 0),
                                  .fps = recipe_real(recipe, "fps", 0),
                                  .base = json_deep_copy(recipe)};
        known = r->group_count;
        table_set_text(&s->groups, shape, (void *)known);
    }
    free(shape);
    *group_out = (uint32_t)(known - 1);
    return true;
}

/* Members of `recipe` that are not as in `base`, and null for those it lacks. */
static char *difference(json_t *base, json_t *recipe)
{
    const char *key;
    json_t *value;
    json_t *differs = json_object();
    json_object_foreach(recipe, key, value) if (!json_equal(value, json_object_get(base, key)))
        json_object_set(differs, key, value);
    json_object_foreach(base, key, value) if (json_object_get(recipe, key) == NULL)
        json_object_set_new(differs, key, json_null());
    char *text = json_object_size(differs) ? json_canonical(differs) : NULL;
    json_decref(differs);
    return text;
}

/* ---- a line's fields ---- */

/* recipe_fill wants a whole recipe; prompt and seed come with each line. */
static bool fill(json_t *recipe, const struct submit_model *m, struct error *err)
{
    json_object_set_new(recipe, "prompt", json_string("-"));
    json_object_set_new(recipe, "seed", json_integer(0));
    bool ok = recipe_fill(recipe, m->model->name, json_object_get(m->facts, "defaults"), err);
    json_object_del(recipe, "prompt");
    json_object_del(recipe, "seed");
    return ok;
}

static bool settle(struct submit_settings *s, json_t *recipe, struct submit_setting *out,
                   char field[SUBMIT_FIELD_SIZE], struct error *err)
{
    struct submit_model *m = model_of(s, recipe, err);
    if (m == NULL) return wrong(field, "model");
    if (!fill(recipe, m, err)) return wrong(field, "");
    if (!check_recipe(recipe, m->facts, field, err)) return false;
    if (!find_group(s, m, recipe, &out->group, field, err)) return false;
    out->model = m;
    out->differs = difference(s->result->groups[out->group].base, recipe);
    return true;
}

const struct submit_setting *submit_settings_of(struct submit_settings *s, json_t *fields,
                                                char field[SUBMIT_FIELD_SIZE], struct error *err)
{
    field[0] = '\0';
    char *key = fields ? json_canonical(fields) : xstrdup("");
    struct submit_setting *found = table_get_text(&s->memo, key);
    if (found == NULL) {
        struct submit_setting made = {0};
        json_t *recipe = json_deep_copy(s->options);
        if (fields != NULL) json_object_update(recipe, fields);
        if (settle(s, recipe, &made, field, err)) {
            if (s->memo.count >= MEMO_MAX) clear_memo(s);
            found = xcalloc(1, sizeof *found);
            *found = made;
            table_set_text(&s->memo, key, found);
        }
        json_decref(recipe);
    }
    free(key);
    return found;
}

/* The recipe's field table and what follows from it: checking, command-line values, defaults,
 * canonical text. */
#include "base/recipe.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/xalloc.h"

#define PIXELS_MIN 8
#define PIXELS_MAX 4096
#define SHOWN_BYTES 64 /* of a value in an error */

static const char *const schedulers[] = {"ddim", "dpm++", NULL};
static const char *const noises[] = {"torch-cpu", NULL};

static const struct recipe_field fields[] = {
    /* recipe_fill counts on "model" being the first row. */
    {.name = "model",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = 255,
     .shapes_group = true,
     .summary = "name of the model"},
    {.name = "prompt",
     .type = RECIPE_TEXT,
     .min = 1,
     .max = RECIPE_PROMPT_MAX_BYTES,
     .summary = "what the video shows"},
    {.name = "negative_prompt",
     .alias = "negative",
     .type = RECIPE_TEXT,
     .min = 0,
     .max = RECIPE_PROMPT_MAX_BYTES,
     .summary = "what it should not show"},
    {.name = "seed",
     .type = RECIPE_INT,
     .min = 0,
     .max = (double)RECIPE_SEED_MAX,
     .summary = "start of the noise"},
    {.name = "num_inference_steps",
     .alias = "steps",
     .type = RECIPE_INT,
     .min = 1,
     .max = 1000,
     .shapes_group = true,
     .summary = "denoising steps"},
    {.name = "guidance_scale",
     .alias = "guidance",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 100,
     .summary = "how closely the prompt is followed"},
    {.name = "scheduler",
     .type = RECIPE_CHOICE,
     .choices = schedulers,
     .summary = "how noise is taken away from step to step"},
    {.name = "eta",
     .type = RECIPE_REAL,
     .min = 0,
     .max = 1,
     .summary = "fresh noise in each ddim step"},
    {.name = "width",
     .type = RECIPE_INT,
     .min = PIXELS_MIN,
     .max = PIXELS_MAX,
     .multiple = 8,
     .shapes_group = true,
     .summary = "pixels across"},
    {.name = "height",
     .type = RECIPE_INT,
     .min = PIXELS_MIN,
     .max = PIXELS_MAX,
     .multiple = 8,
     .shapes_group = true,
     .summary = "pixels down"},
    {.name = "num_frames",
     .alias = "frames",
     .type = RECIPE_INT,
     .min = 1,
     .max = 1024,
     .shapes_group = true,
     .summary = "frames of the clip"},
    {.name = "fps",
     .type = RECIPE_INT,
     .min = 1,
     .max = 120,
     .shapes_group = true,
     .summary = "frames shown in a second"},
    {.name = "noise",
     .type = RECIPE_CHOICE,
     .choices = noises,
     .summary = "generator of the noise"},
    {.name = "pattern",
     .type = RECIPE_OBJECT,
     .summary = "test pattern: step_ms, fail_step, hang_step, garbage_step"},
};

#define FIELD_COUNT ((int)(sizeof(fields) / sizeof(fields[0])))

/* The size of a picture as people write it; never stored. */
static const char size_name[] = "size";

struct pattern_member {
    const char *name;
    int64_t max;
};

static const struct pattern_member pattern_members[] = {
    {"step_ms", 600000},
    {"fail_step", INT64_MAX},
    {"hang_step", INT64_MAX},
    {"garbage_step", INT64_MAX},
};

#define PATTERN_COUNT (sizeof(pattern_members) / sizeof(pattern_members[0]))

/* What a render gets when neither the recipe nor its model says anything. */
static const char built_in_defaults[] =
    "{\"negative_prompt\": \"\", \"num_inference_steps\": 25, \"guidance_scale\": 9.0,"
    " \"scheduler\": \"ddim\", \"eta\": 0.0, \"width\": 256, \"height\": 256,"
    " \"num_frames\": 16, \"fps\": 8, \"noise\": \"torch-cpu\"}";

static const char *const needed[] = {"model", "prompt", "seed"};

const struct recipe_field *recipe_fields(int *count_out)
{
    *count_out = FIELD_COUNT;
    return fields;
}

const struct recipe_field *recipe_field_find(const char *name)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
        if (fields[i].alias != NULL && strcmp(fields[i].alias, name) == 0) return &fields[i];
    }
    return NULL;
}

const char *recipe_field_nearest(const char *name)
{
    const char *names[2 * FIELD_COUNT + 2];
    int count = 0;
    for (int i = 0; i < FIELD_COUNT; i++) {
        names[count++] = fields[i].name;
        if (fields[i].alias != NULL) names[count++] = fields[i].alias;
    }
    names[count++] = size_name;
    names[count] = NULL;
    return text_nearest(name, names);
}

/* Short text of any value for an error message, cut between characters. */
static const char *shown(const json_t *value, char out[SHOWN_BYTES + 4])
{
    char *whole =
        json_line(value); /* a real shows as one, so that "1.0 is no integer" makes sense */
    size_t size = strlen(whole);
    size_t kept = size;
    if (size > SHOWN_BYTES) {
        kept = SHOWN_BYTES;
        while (kept > 0 && ((unsigned char)whole[kept] & 0xc0) == 0x80) {
            kept--;
        }
    }
    memcpy(out, whole, kept);
    memcpy(out + kept, size > kept ? "..." : "", size > kept ? 4 : 1);
    free(whole);
    return out;
}

/* The largest double below 2^63 is not 2^63 - 1, so the limit is turned back with care. */
static int64_t int_max(const struct recipe_field *field)
{
    return field->max >= 0x1p63 ? INT64_MAX : (int64_t)field->max;
}

static bool check_int(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[SHOWN_BYTES + 4];
    int64_t min = (int64_t)field->min;
    int64_t max = int_max(field);
    bool whole = json_is_integer(value);
    int64_t number = whole ? (int64_t)json_integer_value(value) : 0;
    if (!whole || number < min || number > max) {
        return error_set(err, ERROR_USAGE,
                         "%s is %s; it must be an integer from %" PRId64 " to %" PRId64,
                         field->name, shown(value, text), min, max);
    }
    if (field->multiple != 0 && number % field->multiple != 0) {
        return error_set(err, ERROR_USAGE,
                         "%s is %" PRId64 "; it must be a multiple of %" PRId64 " from %" PRId64
                         " to %" PRId64,
                         field->name, number, field->multiple, min, max);
    }
    return true;
}

static bool check_real(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[SHOWN_BYTES + 4];
    double number = json_number_value(value);
    if (json_is_number(value) && number >= field->min && number <= field->max) return true;
    return error_set(err, ERROR_USAGE, "%s is %s; it must be a number from %g to %g", field->name,
                     shown(value, text), field->min, field->max);
}

static bool check_text(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[SHOWN_BYTES + 4];
    if (!json_is_string(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be a text", field->name,
                         shown(value, text));
    }
    size_t size = json_string_length(value);
    if (!text_is_utf8(json_string_value(value), size)) {
        return error_set(err, ERROR_USAGE, "%s must be UTF-8 text without NUL", field->name);
    }
    if (size >= (size_t)field->min && size <= (size_t)field->max) return true;
    return error_set(err, ERROR_USAGE, "%s has %zu bytes; it must have from %.0f to %.0f",
                     field->name, size, field->min, field->max);
}

static bool check_choice(const struct recipe_field *field, const json_t *value, struct error *err)
{
    const char *chosen = json_string_value(value); /* NULL for any other type */
    char all[128] = "";
    size_t used = 0;
    for (int i = 0; field->choices[i] != NULL; i++) {
        if (chosen != NULL && strcmp(chosen, field->choices[i]) == 0) return true;
        size_t size = strlen(field->choices[i]);
        ZOE_ASSERT(used + size + 3 < sizeof(all));
        if (i > 0) memcpy(all + used, ", ", 2);
        used += i > 0 ? 2 : 0;
        memcpy(all + used, field->choices[i], size + 1);
        used += size;
    }
    char text[SHOWN_BYTES + 4];
    return error_set(err, ERROR_USAGE, "%s is %s; it must be one of: %s", field->name,
                     shown(value, text), all);
}

static const struct pattern_member *pattern_find(const char *name)
{
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (strcmp(pattern_members[i].name, name) == 0) return &pattern_members[i];
    }
    return NULL;
}

static bool unknown_member(const struct recipe_field *field, const char *name, struct error *err)
{
    const char *names[PATTERN_COUNT + 1] = {NULL};
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        names[i] = pattern_members[i].name;
    }
    const char *nearest = text_nearest(name, names);
    if (nearest == NULL) {
        return error_set(err, ERROR_USAGE, "unknown member '%.64s' of %s", name, field->name);
    }
    return error_set(err, ERROR_USAGE, "unknown member '%.64s' of %s; did you mean '%s'?", name,
                     field->name, nearest);
}

/* The only object so far is the pattern's. */
static bool check_object(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[SHOWN_BYTES + 4];
    if (!json_is_object(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be an object", field->name,
                         shown(value, text));
    }
    const char *key = NULL;
    json_t *number = NULL;
    json_t *walked = (json_t *)(uintptr_t)value; /* jansson walks only what it may change */
    json_object_foreach(walked, key, number)
    {
        const struct pattern_member *member = pattern_find(key);
        if (member == NULL) return unknown_member(field, key, err);
        int64_t n = (int64_t)json_integer_value(number);
        if (json_is_integer(number) && n >= 0 && n <= member->max) continue;
        return error_set(err, ERROR_USAGE, "%s.%s is %s; it must be an integer from 0 to %" PRId64,
                         field->name, key, shown(number, text), member->max);
    }
    return true;
}

bool recipe_check_value(const struct recipe_field *field, const json_t *value, struct error *err)
{
    switch (field->type) {
    case RECIPE_TEXT:
        return check_text(field, value, err);
    case RECIPE_INT:
        return check_int(field, value, err);
    case RECIPE_REAL:
        return check_real(field, value, err);
    case RECIPE_CHOICE:
        return check_choice(field, value, err);
    case RECIPE_OBJECT:
        return check_object(field, value, err);
    }
    return error_set(err, ERROR_INTERNAL, "%s has no type", field->name);
}

/* A text that does not read as the field's type stays a text, so that the check can show it. */
static json_t *convert(const struct recipe_field *field, const char *text, struct error *err)
{
    int64_t integer = 0;
    double real = 0;
    if (field->type == RECIPE_OBJECT) return json_parse(text, strlen(text), field->name, err);
    if (field->type == RECIPE_INT && text_parse_i64(text, INT64_MIN, INT64_MAX, &integer)) {
        return json_integer(integer);
    }
    if (field->type == RECIPE_REAL && text_parse_double(text, &real)) return json_real(real);
    json_t *value = json_string(text); /* NULL when it is not UTF-8 */
    if (value == NULL) {
        (void)error_set(err, ERROR_USAGE, "%s must be UTF-8 text", field->name);
    }
    return value;
}

json_t *recipe_value_from_text(const struct recipe_field *field, const char *text,
                               struct error *err)
{
    json_t *value = convert(field, text, err);
    if (value == NULL || recipe_check_value(field, value, err)) return value;
    json_decref(value);
    return NULL;
}

static bool check_names(json_t *recipe, struct error *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(recipe, key, value)
    {
        if (recipe_field_find(key) != NULL || strcmp(key, size_name) == 0) continue;
        const char *nearest = recipe_field_nearest(key);
        if (nearest == NULL) return error_set(err, ERROR_USAGE, "unknown field '%.64s'", key);
        return error_set(err, ERROR_USAGE, "unknown field '%.64s'; did you mean '%s'?", key,
                         nearest);
    }
    return true;
}

static void set_new(json_t *object, const char *key, json_t *value)
{
    ZOE_ASSERT(json_object_set_new(object, key, value) == 0);
}

static bool rename_alias(json_t *recipe, const struct recipe_field *field, struct error *err)
{
    json_t *value = field->alias != NULL ? json_object_get(recipe, field->alias) : NULL;
    if (value == NULL) return true;
    if (json_object_get(recipe, field->name) != NULL) {
        return error_set(err, ERROR_USAGE, "both '%s' and its short form '%s' are given",
                         field->name, field->alias);
    }
    set_new(recipe, field->name, json_incref(value));
    (void)json_object_del(recipe, field->alias);
    return true;
}

static bool split_size(json_t *recipe, struct error *err)
{
    const json_t *value = json_object_get(recipe, size_name);
    if (value == NULL) return true;
    if (json_object_get(recipe, "width") != NULL || json_object_get(recipe, "height") != NULL) {
        return error_set(err, ERROR_USAGE, "both 'size' and 'width' or 'height' are given");
    }
    const char *text = json_string_value(value);
    int64_t width = 0;
    int64_t height = 0;
    if (text == NULL || !text_parse_size(text, &width, &height)) {
        char out[SHOWN_BYTES + 4];
        return error_set(err, ERROR_USAGE, "size is %s; it must look like \"256x256\"",
                         shown(value, out));
    }
    set_new(recipe, "width", json_integer(width));
    set_new(recipe, "height", json_integer(height));
    (void)json_object_del(recipe, size_name);
    return true;
}

static bool check_field(json_t *recipe, const struct recipe_field *field, struct error *err)
{
    const json_t *value = json_object_get(recipe, field->name);
    if (value == NULL) return true;
    if (!recipe_check_value(field, value, err)) return false;
    if (field->type == RECIPE_REAL && json_is_integer(value)) {
        set_new(recipe, field->name, json_real(json_number_value(value)));
    }
    return true;
}

bool recipe_check(json_t *recipe, struct error *err)
{
    if (!json_is_object(recipe)) {
        return error_set(err, ERROR_USAGE, "a recipe must be a JSON object");
    }
    if (!check_names(recipe, err)) return false;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!rename_alias(recipe, &fields[i], err)) return false;
    }
    if (!split_size(recipe, err)) return false;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!check_field(recipe, &fields[i], err)) return false;
    }
    return true;
}

static bool is_needed(const char *name)
{
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (strcmp(needed[i], name) == 0) return true;
    }
    return false;
}

static void fill_from(json_t *recipe, const json_t *defaults)
{
    for (int i = 0; i < FIELD_COUNT; i++) {
        const char *name = fields[i].name;
        json_t *value = json_object_get(defaults, name);
        if (value == NULL || is_needed(name) || json_object_get(recipe, name) != NULL) continue;
        set_new(recipe, name, json_deep_copy(value)); /* two recipes never share an object */
    }
}

/* The model's own defaults come from a file too, so they pass the same check. */
static bool fill_from_model(json_t *recipe, const json_t *defaults, struct error *err)
{
    if (defaults == NULL) return true;
    json_t *copy = json_deep_copy(defaults);
    ZOE_ASSERT(copy != NULL);
    bool ok = recipe_check(copy, err);
    if (ok) fill_from(recipe, copy);
    json_decref(copy);
    return ok || error_wrap(err, "defaults of the model");
}

bool recipe_fill(json_t *recipe, const char *model_name, const json_t *defaults, struct error *err)
{
    if (!recipe_check(recipe, err)) return false;
    if (model_name != NULL && json_object_get(recipe, "model") == NULL) {
        json_t *name = recipe_value_from_text(&fields[0], model_name, err);
        if (name == NULL) return false;
        set_new(recipe, "model", name);
    }
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (json_object_get(recipe, needed[i]) != NULL) continue;
        return error_set(err, ERROR_USAGE, "there is no '%s'", needed[i]);
    }
    if (!fill_from_model(recipe, defaults, err)) return false;
    json_t *built_in = json_loads(built_in_defaults, 0, NULL);
    ZOE_ASSERT(built_in != NULL);
    fill_from(recipe, built_in);
    json_decref(built_in);
    return true;
}

char *recipe_canonical(const json_t *recipe)
{
    return json_canonical(recipe);
}

struct digest recipe_digest(const json_t *recipe)
{
    char *text = json_canonical(recipe);
    struct digest d = digest_of(text, strlen(text));
    free(text);
    return d;
}

int64_t recipe_int(const json_t *recipe, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(recipe, name);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

double recipe_real(const json_t *recipe, const char *name, double fallback)
{
    const json_t *value = json_object_get(recipe, name);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

const char *recipe_text(const json_t *recipe, const char *name, const char *fallback)
{
    const json_t *value = json_object_get(recipe, name);
    return json_is_string(value) ? json_string_value(value) : fallback;
}

/* Whole recipes: checking, defaults, canonical text. */
#include "base/recipe.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "base/xalloc.h"

/* Sizes of pictures as people write them; never stored. */
static const struct {
    const char *name, *width, *height;
} sizes[] = {{"size", "width", "height"},
             {"output_size", "output_width", "output_height"},
             {"upscale_size", "upscale_width", "upscale_height"}};
#define SIZE_COUNT (sizeof(sizes) / sizeof(sizes[0]))

/* A length in time; becomes num_frames where fps is known. */
static const char seconds_name[] = "seconds";

bool recipe_is_shorthand(const char *name)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        if (strcmp(sizes[i].name, name) == 0) return true;
    }
    return strcmp(name, seconds_name) == 0;
}

/* What a render gets when neither the recipe nor its model says anything. */
static const char built_in_defaults[] =
    "{\"negative_prompt\": \"\", \"num_inference_steps\": 25, \"guidance_scale\": 9.0,"
    " \"scheduler\": \"ddim\", \"eta\": 0.0, \"width\": 256, \"height\": 256,"
    " \"num_frames\": 16, \"fps\": 8, \"noise\": \"torch-cpu\"}";

static const char *const needed[] = {"model", "prompt", "seed"};

static bool check_names(json_t *recipe, struct error *err)
{
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(recipe, key, value)
    {
        if (recipe_field_find(key) != NULL || recipe_is_shorthand(key)) continue;
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

static bool expand_size(json_t *recipe, size_t which, const json_t *value, struct error *err)
{
    const char *name = sizes[which].name;
    if (json_object_get(recipe, sizes[which].width) != NULL ||
        json_object_get(recipe, sizes[which].height) != NULL) {
        return error_set(err, ERROR_USAGE, "both '%s' and '%s' or '%s' are given", name,
                         sizes[which].width, sizes[which].height);
    }
    const char *text = json_string_value(value);
    int64_t width = 0;
    int64_t height = 0;
    if (text == NULL || !text_parse_size(text, &width, &height)) {
        char out[JSON_SHOWN_SIZE];
        return error_set(err, ERROR_USAGE, "%s is %s; it must look like \"256x256\"", name,
                         json_shown(value, out));
    }
    set_new(recipe, sizes[which].width, json_integer(width));
    set_new(recipe, sizes[which].height, json_integer(height));
    return true;
}

static bool expand_seconds(json_t *recipe, const json_t *value, struct error *err)
{
    char out[JSON_SHOWN_SIZE];
    const double seconds = json_number_value(value);
    if (json_object_get(recipe, "num_frames") != NULL) {
        return error_set(err, ERROR_USAGE, "both 'seconds' and 'num_frames' are given");
    }
    if (!json_is_number(value) || !(seconds > 0) || seconds > RECIPE_SECONDS_MAX) {
        return error_set(err, ERROR_USAGE, "seconds is %s; it must be above 0 and at most %d",
                         json_shown(value, out), RECIPE_SECONDS_MAX);
    }
    set_new(recipe, seconds_name, json_real(seconds));
    return true;
}

bool recipe_expand(json_t *recipe, const char *name, const json_t *value, struct error *err)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        if (strcmp(sizes[i].name, name) == 0) return expand_size(recipe, i, value, err);
    }
    return expand_seconds(recipe, value, err);
}

static bool expand_member(json_t *recipe, const char *name, struct error *err)
{
    json_t *value = json_incref(json_object_get(recipe, name));
    if (value == NULL) return true;
    (void)json_object_del(recipe, name);
    const bool ok = recipe_expand(recipe, name, value, err);
    json_decref(value);
    return ok;
}

static bool expand_members(json_t *recipe, struct error *err)
{
    for (size_t i = 0; i < SIZE_COUNT; i++) {
        if (!expand_member(recipe, sizes[i].name, err)) return false;
    }
    return expand_member(recipe, seconds_name, err);
}

/* Takes the seconds out: 0 when there are none. */
static double take_seconds(json_t *recipe)
{
    const double seconds = recipe_real(recipe, seconds_name, 0);
    (void)json_object_del(recipe, seconds_name);
    return seconds;
}

static bool set_frames(json_t *recipe, double seconds, struct error *err)
{
    const double most = recipe_field_find("num_frames")->max;
    const double frames = seconds * recipe_real(recipe, "fps", 1) + 0.5;
    if (frames >= most + 1) {
        return error_set(err, ERROR_USAGE, "seconds: %.0f frames are more than %.0f", frames, most);
    }
    if (seconds > 0)
        set_new(recipe, "num_frames", json_integer(frames < 1 ? 1 : (json_int_t)frames));
    return true;
}

static void fill_strengths(json_t *loras)
{
    size_t i = 0;
    json_t *lora = NULL;
    json_array_foreach(loras, i, lora)
    {
        const json_t *given = json_object_get(lora, "strength");
        if (json_is_real(given)) continue;
        set_new(lora, "strength", json_real(given != NULL ? json_number_value(given) : 1));
    }
}

static bool check_field(json_t *recipe, const struct recipe_field *field, struct error *err)
{
    const json_t *value = json_object_get(recipe, field->name);
    if (value == NULL) return true;
    if (!recipe_check_value(field, value, err)) return false;
    if (field->type == RECIPE_REAL && json_is_integer(value)) {
        set_new(recipe, field->name, json_real(json_number_value(value)));
    }
    if (field->type == RECIPE_LORAS) fill_strengths(json_object_get(recipe, field->name));
    return true;
}

bool recipe_check(json_t *recipe, struct error *err)
{
    if (!json_is_object(recipe)) {
        return error_set(err, ERROR_USAGE, "a recipe must be a JSON object");
    }
    if (!check_names(recipe, err)) return false;
    int count = 0;
    const struct recipe_field *fields = recipe_fields(&count);
    for (int i = 0; i < count; i++) {
        if (!rename_alias(recipe, &fields[i], err)) return false;
    }
    if (!expand_members(recipe, err)) return false;
    for (int i = 0; i < count; i++) {
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
    int count = 0;
    const struct recipe_field *fields = recipe_fields(&count);
    for (int i = 0; i < count; i++) {
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
    const double seconds = take_seconds(recipe);
    if (model_name != NULL && json_object_get(recipe, "model") == NULL) {
        json_t *name = recipe_value_from_text(recipe_field_find("model"), model_name, err);
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
    return set_frames(recipe, seconds, err);
}

static const char *const file_fields[] = {"init_video",   "init_image",     "mask",
                                          "extend_video", "extend_latents", "audio"};
_Static_assert(sizeof(file_fields) / sizeof(file_fields[0]) == RECIPE_FILES_MAX, "each has room");

bool recipe_is_file(const char *name)
{
    for (size_t i = 0; i < RECIPE_FILES_MAX; i++) {
        if (strcmp(file_fields[i], name) == 0) return true;
    }
    return false;
}

bool recipe_file_digest(const char *text, struct digest *out)
{
    const size_t prefix = strlen(RECIPE_FILE_PREFIX);
    char again[DIGEST_TEXT_SIZE];
    if (text == NULL || strncmp(text, RECIPE_FILE_PREFIX, prefix) != 0) return false;
    if (!digest_parse(text + prefix, out)) return false;
    digest_text(out, again); /* one file, one name: no capitals */
    return strcmp(again, text + prefix) == 0;
}

uint32_t recipe_files(json_t *recipe, struct digest out[RECIPE_FILES_MAX])
{
    uint32_t count = 0;
    for (size_t i = 0; i < RECIPE_FILES_MAX; i++) {
        const char *text = json_string_value(json_object_get(recipe, file_fields[i]));
        if (recipe_file_digest(text, &out[count])) count++;
    }
    return count;
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

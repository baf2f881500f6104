/* One value of a recipe against its field: a check for each type, and what a command line's text
 * means. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"

struct pattern_member {
    const char *name;
    int64_t max;
};

static const struct pattern_member pattern_members[] = {
    {"step_ms", 600000},       {"fail_step", INT64_MAX},    {"hang_step", INT64_MAX},
    {"crash_step", INT64_MAX}, {"garbage_step", INT64_MAX},
};

#define PATTERN_COUNT (sizeof(pattern_members) / sizeof(pattern_members[0]))

/* The largest double below 2^63 is not 2^63 - 1, so the limit is turned back with care. */
static int64_t int_max(const struct recipe_field *field)
{
    return field->max >= 0x1p63 ? INT64_MAX : (int64_t)field->max;
}

static bool check_int(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    int64_t min = (int64_t)field->min;
    int64_t max = int_max(field);
    bool whole = json_is_integer(value);
    int64_t number = whole ? (int64_t)json_integer_value(value) : 0;
    if (!whole || number < min || number > max) {
        return error_set(err, ERROR_USAGE,
                         "%s is %s; it must be an integer from %" PRId64 " to %" PRId64,
                         field->name, json_shown(value, text), min, max);
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
    char text[JSON_SHOWN_SIZE];
    double number = json_number_value(value);
    if (json_is_number(value) && number >= field->min && number <= field->max) return true;
    return error_set(err, ERROR_USAGE, "%s is %s; it must be a number from %g to %g", field->name,
                     json_shown(value, text), field->min, field->max);
}

static bool check_text(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    if (!json_is_string(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be a text", field->name,
                         json_shown(value, text));
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
    char text[JSON_SHOWN_SIZE];
    return error_set(err, ERROR_USAGE, "%s is %s; it must be one of: %s", field->name,
                     json_shown(value, text), all);
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
    char text[JSON_SHOWN_SIZE];
    if (!json_is_object(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be an object", field->name,
                         json_shown(value, text));
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
                         field->name, key, json_shown(number, text), member->max);
    }
    return true;
}

static bool check_bool(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    if (json_is_boolean(value)) return true;
    return error_set(err, ERROR_USAGE, "%s is %s; it must be true or false", field->name,
                     json_shown(value, text));
}

/* One number of a list or track. */
static bool check_member(const struct recipe_field *field, const json_t *value, struct error *err)
{
    return field->whole ? check_int(field, value, err) : check_real(field, value, err);
}

static bool check_count(const struct recipe_field *field, size_t count, struct error *err)
{
    const size_t min = field->count_min > 0 ? (size_t)field->count_min : 1;
    if (count >= min && count <= (size_t)field->count_max) return true;
    return error_set(err, ERROR_USAGE, "%s has %zu members; it must have from %zu to %d",
                     field->name, count, min, field->count_max);
}

static bool check_list(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    if (!json_is_array(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be a list of numbers", field->name,
                         json_shown(value, text));
    }
    if (!check_count(field, json_array_size(value), err)) return false;
    size_t i = 0;
    const json_t *number = NULL;
    json_array_foreach(value, i, number)
    {
        if (!check_member(field, number, err)) return false;
    }
    return true;
}

/* Keys are the places, written as people write numbers: no sign, no leading zero. */
static bool is_place(const char *key)
{
    int64_t place = 0;
    const bool plain = key[0] != '0' || key[1] == '\0';
    return plain && text_parse_i64(key, 0, RECIPE_PLACE_MAX, &place);
}

static bool check_track(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    if (!json_is_object(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must look like {\"0\": .., \"8\": ..}",
                         field->name, json_shown(value, text));
    }
    if (!check_count(field, json_object_size(value), err)) return false;
    const char *key = NULL;
    json_t *item = NULL;
    json_t *walked = (json_t *)(uintptr_t)value; /* jansson walks only what it may change */
    json_object_foreach(walked, key, item)
    {
        if (!is_place(key)) {
            return error_set(err, ERROR_USAGE, "%s: '%.32s' is no place; it must be from 0 to %d",
                             field->name, key, RECIPE_PLACE_MAX);
        }
        const bool ok = field->type == RECIPE_TEXT_TRACK ? check_text(field, item, err)
                                                         : check_member(field, item, err);
        if (!ok) return false;
    }
    return true;
}

static bool check_lora(const struct recipe_field *field, const json_t *lora, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    const json_t *name = json_object_get(lora, "name");
    const json_t *strength = json_object_get(lora, "strength");
    const json_t *digest = json_object_get(lora, "digest");
    const size_t known = (name != NULL) + (size_t)(strength != NULL) + (size_t)(digest != NULL);
    if (!json_is_string(name) || json_string_length(name) == 0 ||
        json_string_length(name) > RECIPE_NAME_MAX_BYTES || json_object_size(lora) != known) {
        return error_set(err, ERROR_USAGE,
                         "%s: %s must look like {\"name\": \"x\", \"strength\": 0.8}", field->name,
                         json_shown(lora, text));
    }
    struct digest parsed;
    if (digest != NULL &&
        (!json_is_string(digest) || !digest_parse(json_string_value(digest), &parsed))) {
        return error_set(err, ERROR_USAGE, "%s: \"digest\" is %s; it must be 64 hex digits",
                         field->name, json_shown(digest, text));
    }
    return strength == NULL || check_real(field, strength, err);
}

static bool check_loras(const struct recipe_field *field, const json_t *value, struct error *err)
{
    char text[JSON_SHOWN_SIZE];
    if (!json_is_array(value)) {
        return error_set(err, ERROR_USAGE, "%s is %s; it must be a list", field->name,
                         json_shown(value, text));
    }
    if (!check_count(field, json_array_size(value), err)) return false;
    size_t i = 0;
    const json_t *lora = NULL;
    json_array_foreach(value, i, lora)
    {
        if (!check_lora(field, lora, err)) return false;
    }
    return true;
}

typedef bool check_fn(const struct recipe_field *field, const json_t *value, struct error *err);

/* One row a type. */
static check_fn *const checks[] = {
    [RECIPE_TEXT] = check_text,     [RECIPE_INT] = check_int,          [RECIPE_REAL] = check_real,
    [RECIPE_CHOICE] = check_choice, [RECIPE_BOOL] = check_bool,        [RECIPE_LIST] = check_list,
    [RECIPE_TRACK] = check_track,   [RECIPE_TEXT_TRACK] = check_track, [RECIPE_LORAS] = check_loras,
    [RECIPE_OBJECT] = check_object,
};

bool recipe_check_value(const struct recipe_field *field, const json_t *value, struct error *err)
{
    return checks[field->type](field, value, err);
}

/* ---- command lines ---- */

static json_t *number_from(const char *text)
{
    int64_t integer = 0;
    double real = 0;
    if (text_parse_i64(text, INT64_MIN, INT64_MAX, &integer)) return json_integer(integer);
    return text_parse_double(text, &real) ? json_real(real) : json_string(text);
}

/* "x:0.8" -> {"name": "x", "strength": 0.8}; "x" alone has strength 1. */
static json_t *lora_from(const char *text)
{
    const char *colon = strrchr(text, ':');
    const size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
    json_t *lora = json_object();
    json_object_set_new(lora, "name", json_stringn(text, length));
    json_object_set_new(lora, "strength", colon != NULL ? number_from(colon + 1) : json_real(1));
    return lora;
}

/* "0,15" -> a list of what `make` reads in each piece. */
static json_t *pieces(const char *text, json_t *(*make)(const char *piece))
{
    json_t *list = json_array();
    char *copy = xstrdup(text), *rest = copy, *piece = NULL;
    while ((piece = strsep(&rest, ",")) != NULL) {
        json_t *item = make(piece);
        if (item != NULL) json_array_append_new(list, item);
    }
    free(copy);
    return list;
}

static json_t *text_from(const struct recipe_field *field, const char *text, struct error *err)
{
    json_t *value = json_string(text); /* NULL when it is not UTF-8 */
    if (value == NULL) {
        (void)error_set(err, ERROR_USAGE, "%s must be UTF-8 text", field->name);
    }
    return value;
}

/* A text that does not read as the field's type stays a text, so that the check can show it. */
static json_t *convert(const struct recipe_field *field, const char *text, struct error *err)
{
    double real = 0;
    const bool json = text[0] == '[' || text[0] == '{';
    switch (field->type) {
    case RECIPE_INT:
        return text_parse_double(text, &real) ? number_from(text) : text_from(field, text, err);
    case RECIPE_REAL:
        return text_parse_double(text, &real) ? json_real(real) : text_from(field, text, err);
    case RECIPE_BOOL:
        if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
            return json_boolean(text[0] == 't');
        return text_from(field, text, err);
    case RECIPE_LIST:
        return json ? json_parse(text, strlen(text), field->name, err) : pieces(text, number_from);
    case RECIPE_LORAS:
        return json ? json_parse(text, strlen(text), field->name, err) : pieces(text, lora_from);
    case RECIPE_TRACK:
    case RECIPE_TEXT_TRACK:
    case RECIPE_OBJECT:
        return json_parse(text, strlen(text), field->name, err);
    case RECIPE_TEXT:
    case RECIPE_CHOICE:
        break;
    }
    return text_from(field, text, err);
}

json_t *recipe_value_from_text(const struct recipe_field *field, const char *text,
                               struct error *err)
{
    json_t *value = convert(field, text, err);
    if (value == NULL || recipe_check_value(field, value, err)) return value;
    json_decref(value);
    return NULL;
}

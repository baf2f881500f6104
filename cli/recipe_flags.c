#include "cli/recipe_flags.h"

#include <string.h>

#include "base/text.h"

/* Those that other options fill, or nobody types. */
static const char *const without[] = {
    "prompt",         "seed",          "width",          "height",        "output_width",
    "output_height",  "upscale_width", "upscale_height", "extend_frames", "extend_video",
    "extend_latents", "extend_keep",   "pattern"};

/* Several fields at once, or one that the coordinator works out. */
static const struct {
    const char *flag, *name;
    bool is_number;
} shorthands[] = {{"size", "size", false},
                  {"output-size", "output_size", false},
                  {"upscale-size", "upscale_size", false},
                  {"seconds", "seconds", true}};

bool recipe_flag_name(const struct recipe_field *field, char out[RECIPE_FLAG_SIZE])
{
    const char *name = field->alias ? field->alias : field->name;
    size_t i = 0;
    for (size_t k = 0; k < sizeof without / sizeof *without; k++)
        if (strcmp(without[k], field->name) == 0) return false;
    for (; name[i] && i < RECIPE_FLAG_SIZE - 1; i++)
        out[i] = name[i] == '_' ? '-' : name[i];
    out[i] = '\0';
    return true;
}

static bool read_shorthand(const struct call *call, size_t which, json_t *options,
                           struct error *err)
{
    const char *flag = shorthands[which].flag, *text = call_option(call, flag);
    double number;
    if (!text) return true;
    const bool counts = shorthands[which].is_number && text_parse_double(text, &number);
    json_t *value = counts ? json_real(number) : json_string(text);
    bool ok =
        recipe_expand(options, shorthands[which].name, value, err) || error_wrap(err, "--%s", flag);
    json_decref(value);
    return ok;
}

/* Lists of LoRAs that are given one by one add up, as in a submit line. */
static json_t *read_repeated(const struct call *call, const char *flag,
                             const struct recipe_field *field, struct error *err)
{
    const char *text;
    json_t *all = json_array();
    bool ok = true;
    for (int at = 0; ok && (text = call_option_next(call, flag, &at)) != NULL;) {
        json_t *some = recipe_value_from_text(field, text, err);
        ok = some != NULL && json_array_extend(all, some) == 0;
        json_decref(some);
    }
    if (ok && recipe_check_value(field, all, err)) return all;
    json_decref(all);
    return NULL;
}

static bool read_field(const struct call *call, const struct recipe_field *field, json_t *options,
                       struct error *err)
{
    char flag[RECIPE_FLAG_SIZE];
    if (!recipe_flag_name(field, flag) || !call_has(call, flag)) return true;
    json_t *value = field->type == RECIPE_LORAS
                        ? read_repeated(call, flag, field, err)
                        : recipe_value_from_text(field, call_option(call, flag), err);
    if (!value) return error_wrap(err, "--%s", flag);
    json_object_set_new(options, field->name, value);
    return true;
}

bool recipe_flags_read(const struct call *call, json_t *options, struct error *err)
{
    int count;
    const struct recipe_field *fields = recipe_fields(&count);
    for (int i = 0; i < count; i++)
        if (!read_field(call, &fields[i], options, err)) return false;
    for (size_t i = 0; i < sizeof shorthands / sizeof *shorthands; i++)
        if (!read_shorthand(call, i, options, err)) return false;
    return true;
}

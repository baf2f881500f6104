/* The report of `zoe-engine check`. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "cli/engine_tool.h"
#include "cli/model_add.h"
#include "cli/output.h"

static void add_texts(struct buf *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text && out->size < 300) buf_printf(out, "%s%s", out->size ? "; " : "", text);
    }
}

static bool judge(const json_t *report, int status, struct error *err)
{
    struct buf words = BUF_INIT;
    const json_t *problems = json_object_get(report, "problems"),
                 *missing = json_object_get(report, "missing");
    size_t count = json_array_size(problems) + json_array_size(missing);
    if (status == 0 && count == 0) return true;
    add_texts(&words, problems);
    if (!words.size && json_array_size(missing)) {
        buf_append_text(&words, "missing: ");
        struct buf names = BUF_INIT;
        add_texts(&names, missing);
        buf_append_text(&words, buf_text(&names));
        buf_finish(&names);
    }
    error_set(err, ERROR_INVALID, "the model cannot be used: %.400s",
              words.size ? buf_text(&words) : "the engine's check failed");
    buf_finish(&words);
    return false;
}

bool model_check(const char *path, json_t **report, struct error *err)
{
    const char *const arguments[] = {"check", "--model", path, NULL};
    int status = 0;
    if (!engine_tool(arguments, report, &status, err)) return false;
    if (*report) return judge(*report, status, err);
    return error_set(err, ERROR_INTERNAL, "zoe-engine check printed no report");
}

/* The engine asks each file's keys; a checkpoint is none of its forms. */
bool model_check_lora(const char *folder, json_t **report)
{
    const char *const arguments[] = {"lora", "--lora", folder, NULL};
    struct error err = {0};
    json_t *answer = NULL;
    int status = 0;
    bool lora = engine_tool(arguments, &answer, &status, &err) && status == 0 && answer;
    const json_t *files = json_object_get(answer, "loras");
    const json_t *form = json_object_get(json_array_get(files, 0), "form");
    if (lora)
        *report = json_pack("{si ss sO? sO? s[] s[] s[]}", "schema", 1, "family", "lora", "form",
                            form, "loras", files, "missing", "problems", "notes");
    json_decref(answer);
    return lora;
}

static void say_list(const json_t *list, const char *what, enum output_colour colour)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text)
            fprintf(stderr, "  %s%s:%s %s\n", output_colour(2, colour), what,
                    output_colour(2, COLOUR_NONE), text);
    }
}

void model_check_say(const json_t *report)
{
    say_list(json_object_get(report, "problems"), "problem", COLOUR_RED);
    say_list(json_object_get(report, "missing"), "missing", COLOUR_RED);
    say_list(json_object_get(report, "notes"), "note", COLOUR_YELLOW);
}

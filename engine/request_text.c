#include "engine/request_text.h"

#include <string.h>

#include "base/json.h"

/* The recipe's own check knows the choices. */
static bool chosen(const json_t *recipe, const char *field, const char *choice)
{
    const char *value = json_string_value(json_object_get(recipe, field));
    return value != NULL && strcmp(value, choice) == 0;
}

static bool check_prompt(const struct request_text *t, const char *field, const char *text,
                         int steps, struct error *err)
{
    struct prompt prompt;
    const bool ok = prompt_parse(&prompt, text, t->syntax, steps, err);
    prompt_finish(&prompt);
    return ok || error_wrap(err, "%s", field);
}

static bool check_frames(const struct request_text *t, int steps, struct error *err)
{
    const char *frame;
    json_t *text, *walked = (json_t *)(uintptr_t)t->by_frame; /* jansson's loop wants it so */
    json_object_foreach(walked, frame, text)
    {
        if (!check_prompt(t, "prompts_by_frame", json_string_value(text), steps, err)) return false;
    }
    return true;
}

/* A model without a text encoder has no range for the layers that can be left out. */
static bool check_encoder(int clip_skip, const json_t *facts, const json_t *recipe,
                          struct error *err)
{
    static const char *const fields[] = {"clip_skip", "prompt_syntax", "tokenizer",
                                         "prompts_by_frame"};
    const json_t *range = json_object_get(facts, "clip_skip");
    for (size_t i = 0; range == NULL && i < sizeof fields / sizeof fields[0]; i++)
        if (json_object_get(recipe, fields[i]) != NULL)
            return error_set(err, ERROR_USAGE, "%s: this model has no text encoder", fields[i]);
    const int layers = (int)json_integer_value(json_object_get(range, "max"));
    return range == NULL || clip_skip <= layers ||
           error_set(err, ERROR_USAGE, "clip_skip: the text encoder has %d layers", layers);
}

bool request_text_read(struct request_text *t, const json_t *facts, const json_t *recipe, int steps,
                       struct error *err)
{
    const char *prompt, *negative;
    int64_t clip_skip;
    if (!json_get_int_or(recipe, "clip_skip", 0, &clip_skip, "recipe", err) ||
        !json_get_text(recipe, "prompt", &prompt, "recipe", err) ||
        !json_get_text_or(recipe, "negative_prompt", "", &negative, "recipe", err)) {
        if (err != NULL) err->code = ERROR_USAGE;
        return false;
    }
    t->syntax = chosen(recipe, "prompt_syntax", "a1111") ? PROMPT_A1111 : PROMPT_PLAIN;
    t->rule = chosen(recipe, "tokenizer", "openclip") ? TOKENIZER_OPENCLIP : TOKENIZER_TRANSFORMERS;
    t->clip_skip = (int)clip_skip;
    t->by_frame = json_object_get(recipe, "prompts_by_frame");
    return check_encoder(t->clip_skip, facts, recipe, err) &&
           check_prompt(t, "prompt", prompt, steps, err) &&
           check_prompt(t, "negative_prompt", negative, steps, err) && check_frames(t, steps, err);
}

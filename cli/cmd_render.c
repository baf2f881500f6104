/* zoe render: one prompt in, one clip out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/only_clip.h"
#include "cli/recipe_flags.h"
#include "cli/render_target.h"
#include "cli/submission.h"

#define SCAN_LIMIT_NS (900 * NS_PER_S) /* a large new model is read once */

static bool one_line(struct submission *s, struct error *err)
{
    json_t *line = json_pack("{ss}", "prompt", s->call->arguments[0]);
    if (!line) return error_set(err, ERROR_USAGE, "the prompt is not valid UTF-8");
    char *text = json_canonical(line);
    buf_append_text(&s->content, text);
    buf_append_char(&s->content, '\n');
    free(text);
    json_decref(line);
    return true;
}

/* One word that ends so is a file; a prompt that does is more than a word. */
static bool names_story(const char *argument)
{
    const size_t size = strlen(argument);
    return size > 5 && strcmp(argument + size - 5, ".json") == 0 &&
           strpbrk(argument, " \t\n") == NULL;
}

static bool load(struct submission *s, struct error *err)
{
    if (!names_story(s->call->arguments[0])) return one_line(s, err);
    s->format = NULL;
    s->file = s->call->arguments[0];
    return submission_load(s->file, &s->content, err);
}

static bool tell(struct submission *s, struct zclient *client, struct error *err)
{
    return s->format != NULL ||
           (submission_tell(s, client, err) && submission_replace_paths(s, err));
}

static bool makes_file(const struct submission *s, struct error *err)
{
    if (!json_is_true(json_object_get(s->options, "report"))) return true;
    return error_set(err, ERROR_USAGE,
                     "--report makes no file: `zoe submit --report`, then `zoe batch fetch`");
}

static bool target_suits(struct zclient *client, const struct submission *s, struct error *err)
{
    const char *target = call_option(s->call, "output");
    const char *model = json_string_value(json_object_get(s->options, "model"));
    int64_t limit_ns = SCAN_LIMIT_NS;
    if (target == NULL) return true;
    return call_duration(s->call, "timeout", &limit_ns, err) &&
           render_target_check(client, target, model, limit_ns, err);
}

static int run_render(struct call *call)
{
    struct error err = {0};
    struct submission s = {.call = call, .file = "the prompt", .format = "jsonl", .silent = true};
    struct zclient *client = NULL;
    if (load(&s, &err)) s.options = submission_options(call, &s.inputs, &err);
    if (s.options && makes_file(&s, &err)) client = client_connect(call, TARGET_START_ALWAYS, &err);
    int code;
    if (!client || !tell(&s, client, &err) || !target_suits(client, &s, &err))
        code = call_fail(call, &err);
    else if (!submission_send(client, &s))
        code = s.code;
    else
        code = call_has(call, "dry-run") ? 0
                                         : only_clip_bring(client, &s, call_option(call, "output"));
    if (client) zclient_close(client);
    submission_finish(&s);
    return code;
}

static const struct option RENDER_OPTIONS[] = {
    RECIPE_OPTIONS,
    SUBMISSION_OPTIONS,
    {"output", 'o', "FILE", "where the clip goes (default SLUG_sSEED.mp4, of images .png, here)"},
    {0}};

const struct command command_render = {"render",
                                       NULL,
                                       "PROMPT|STORY.json",
                                       1,
                                       1,
                                       "render one clip",
                                       "Submits one prompt, waits, and writes the MP4, or the PNG "
                                       "when the model makes images. A story "
                                       "(docs/long-videos.md) makes one\n"
                                       "clip of its scenes; flags go before what it says.",
                                       RENDER_OPTIONS,
                                       run_render,
                                       false};

/* Stories on their way to the coordinator, to whom they are one line like any other. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/recipe.h"
#include "base/story.h"
#include "base/xalloc.h"
#include "cli/models_asked.h"
#include "cli/submission.h"

#define FPS_OTHERWISE 8                      /* as base/recipe.c has it */
#define SCAN_LIMIT_NS (900 * NS_PER_S)       /* a large new model is read once */
#define RECIPE_ROOM (LIMIT_RECIPE_BYTES / 8) /* for what the model's defaults add */

bool submission_is_story(const struct submission *s)
{
    const size_t size = strlen(s->file);
    if (size > 5 && strcmp(s->file + size - 5, ".json") == 0) return true;
    return story_is((const char *)s->content.data, s->content.size);
}

/* ---- flags before the story's own words ---- */

static bool refuse_lengths(const json_t *options, struct error *err)
{
    static const char *const told[] = {"num_frames", "seconds", "prompts_by_frame", "cuts", "loop"};
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
        if (json_object_get(options, told[i]) != NULL)
            return error_set(err, ERROR_USAGE,
                             "a story says by its scenes what the flag for %s would say", told[i]);
    return true;
}

/* The options hold a model and seeds always; they are a flag's only when it was given. */
static bool is_flag(const struct call *call, const char *field)
{
    if (strcmp(field, "model") == 0) return call_has(call, "model");
    if (strcmp(field, "seed") == 0) return call_has(call, "seed") || call_has(call, "seeds");
    return true;
}

static void settle_fields(struct submission *s, struct story *story)
{
    const char *field;
    json_t *value;
    json_object_foreach(s->options, field, value)
    {
        if (is_flag(s->call, field)) (void)json_object_del(story->fields, field);
    }
    json_t *model = json_object_get(story->fields, "model");
    if (model != NULL) (void)json_object_set(s->options, "model", model);
}

/* ---- rate ---- */

static int64_t default_fps(const Farm__Models *models)
{
    const char *text = models->n_models > 0 ? models->models[0]->description : "";
    json_t *facts = json_parse(text, strlen(text), "description", NULL);
    const int64_t fps = recipe_int(json_object_get(facts, "defaults"), "fps", FPS_OTHERWISE);
    json_decref(facts);
    return fps;
}

static bool find_fps(const struct submission *s, const struct story *story, struct zclient *client,
                     int64_t *fps, struct error *err)
{
    int64_t limit_ns = SCAN_LIMIT_NS;
    *fps = recipe_int(s->options, "fps", recipe_int(story->fields, "fps", 0));
    if (*fps > 0) return true;
    if (!call_duration(s->call, "timeout", &limit_ns, err)) return false;
    const char *model = recipe_text(s->options, "model", "");
    struct message *answer = models_asked(client, model, limit_ns, err);
    if (answer == NULL) return false;
    *fps = default_fps(answer->envelope->models);
    message_free(answer);
    return *fps >= 1 || error_set(err, ERROR_INVALID, "%s has no rate", model);
}

/* ---- the line ---- */

static bool write_line(struct submission *s, const json_t *recipe, struct error *err)
{
    char *text = json_canonical(recipe);
    const size_t size = strlen(text), most = LIMIT_RECIPE_BYTES - RECIPE_ROOM;
    buf_clear(&s->content);
    buf_append_text(&s->content, text);
    buf_append_char(&s->content, '\n');
    s->format = "jsonl";
    free(text);
    return size <= most ||
           error_set(err, ERROR_USAGE, "its prompts are too long together: %zu of %zu bytes", size,
                     most);
}

bool submission_read_story(struct submission *s, struct story *story, struct zclient *client,
                           int64_t *fps, struct error *err)
{
    *story = (struct story){0};
    const char *text = (const char *)s->content.data;
    if (!refuse_lengths(s->options, err)) return false;
    if (!story_parse(story, text, s->content.size, err)) return error_wrap(err, "%s", s->file);
    settle_fields(s, story);
    if (!find_fps(s, story, client, fps, err)) return false;
    return story_place(story, (double)*fps, err) || error_wrap(err, "%s", s->file);
}

bool submission_tell(struct submission *s, struct zclient *client, struct error *err)
{
    struct story story;
    int64_t fps;
    bool ok = submission_read_story(s, &story, client, &fps, err);
    json_t *recipe = ok ? story_recipe(&story, err) : NULL;
    ok = recipe != NULL && (write_line(s, recipe, err) || error_wrap(err, "%s", s->file));
    json_decref(recipe);
    story_finish(&story);
    return ok;
}

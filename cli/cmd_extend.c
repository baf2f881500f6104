/* zoe extend: more frames behind a clip that exists. */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "cli/clip_source.h"
#include "cli/commands.h"
#include "cli/extension.h"
#include "cli/only_clip.h"
#include "cli/recipe_flags.h"
#include "cli/submission.h"

/* ---- how much more ---- */

static bool take_length(json_t *options, const json_t *old, int64_t *more, struct error *err)
{
    const double seconds = recipe_real(options, "seconds", 0);
    const double frames = seconds * (double)recipe_int(old, "fps", 1) + 0.5;
    *more = recipe_int(options, "num_frames", (int64_t)frames);
    (void)json_object_del(options, "num_frames");
    (void)json_object_del(options, "seconds");
    return *more > 0 ||
           error_set(err, ERROR_USAGE, "say how much: --seconds S or --frames N more than it has");
}

/* ---- the recipe ---- */

static bool apply_flags(json_t *recipe, const struct call *call, const json_t *options,
                        struct error *err)
{
    static const char *const stay[] = {"width",      "height",     "fps", "loop",
                                       "init_video", "init_image", "mask"};
    for (size_t i = 0; i < sizeof stay / sizeof stay[0]; i++)
        if (json_object_get(options, stay[i]) != NULL)
            return error_set(err, ERROR_USAGE,
                             "%s cannot be changed: new frames go on from the old", stay[i]);
    const char *field;
    json_t *value, *walked = (json_t *)(uintptr_t)options; /* jansson's loop wants it so */
    json_object_foreach(walked, field, value)
    {
        const bool given = strcmp(field, "seed") != 0 && strcmp(field, "model") != 0;
        if (strcmp(field, "seeds") == 0 || (!given && !call_has(call, field))) continue;
        (void)json_object_set(recipe, field, value);
    }
    return true;
}

static void set_file(json_t *recipe, const char *field, const struct digest *digest)
{
    char text[sizeof RECIPE_FILE_PREFIX + DIGEST_TEXT_SIZE] = RECIPE_FILE_PREFIX;
    digest_text(digest, text + sizeof RECIPE_FILE_PREFIX - 1);
    ZOE_ASSERT(json_object_set_new(recipe, field, json_string(text)) == 0);
}

/* A dry run moves no files: the published video stands for the frames. */
static bool name_dry(struct clip_source *clip, json_t *recipe, struct error *err)
{
    struct digest digest;
    const Farm__ClipParts *parts = clip->parts ? clip->parts->envelope->clip_parts : NULL;
    if (parts != NULL ? !codec_digest_get(&parts->clip->sha256, &digest)
                      : !digest_of_file(clip->file, &digest, NULL, err))
        return error_set(err, ERROR_STATE, "%s has no video", clip->name);
    set_file(recipe, "extend_video", &digest);
    return true;
}

static bool name_frames(struct clip_source *clip, struct zclient *client, json_t *recipe,
                        struct error *err)
{
    const char *path;
    int64_t frames;
    if (!clip_source_video(clip, client, &path, &frames, err)) return false;
    if (frames != recipe_int(recipe, "extend_frames", 0))
        return error_set(
            err, ERROR_STATE,
            "%s is a part of a longer video, and the latents of its end are not stored "
            "any more",
            clip->name);
    ZOE_ASSERT(json_object_set_new(recipe, "extend_video", json_string(path)) == 0);
    return true;
}

/* Whoever publishes the old frames too needs them; whoever does not needs the latents or them. */
static bool name_files(struct clip_source *clip, struct zclient *client, json_t *recipe,
                       struct error *err)
{
    struct digest latents;
    const bool keeps = !json_is_false(json_object_get(recipe, "extend_keep"));
    const bool stored =
        clip_source_latents(clip, client, recipe_int(recipe, "overlap", 1), &latents);
    if (stored) set_file(recipe, "extend_latents", &latents);
    return (stored && !keeps) || name_frames(clip, client, recipe, err);
}

static bool make_recipe(struct submission *s, struct clip_source *clip, struct zclient *client,
                        json_t **out, struct error *err)
{
    int64_t more;
    if (!take_length(s->options, clip->recipe, &more, err)) return false;
    *out = extension_recipe(clip->recipe, more, call_option(s->call, "prompt"));
    if (!apply_flags(*out, s->call, s->options, err)) return false;
    return call_has(s->call, "dry-run") ? name_dry(clip, *out, err)
                                        : name_files(clip, client, *out, err);
}

static bool write_line(struct submission *s, const json_t *recipe, struct error *err)
{
    char *text = json_canonical(recipe);
    buf_append_text(&s->content, text);
    buf_append_char(&s->content, '\n');
    free(text);
    json_object_clear(s->options); /* all of it stands in the line now */
    return submission_replace_paths(s, err);
}

/* ---- the command ---- */

/* "red-circle_s3" of "0_red-circle_s3.mp4", with the new length behind. */
static char *default_target(const char *name, const json_t *recipe)
{
    const size_t digits = strspn(name, "0123456789");
    if (digits > 0 && name[digits] == '_') name += digits + 1;
    const char *dot = strrchr(name, '.');
    const int stem = dot != NULL ? (int)(dot - name) : (int)strlen(name);
    return xasprintf("%.*s_%lld.mp4", stem, name, (long long)recipe_int(recipe, "num_frames", 0));
}

static int bring(struct submission *s, struct zclient *client, const struct clip_source *clip,
                 const json_t *recipe)
{
    const char *output = call_option(s->call, "output");
    char *target = output ? xstrdup(output) : default_target(clip->name, recipe);
    const int code = only_clip_bring(client, s, target);
    free(target);
    return code;
}

static int extend(struct submission *s, struct clip_source *clip, struct zclient *client)
{
    struct error err = {0};
    json_t *recipe = NULL;
    int code;
    if (!clip_source_open(clip, client, s->call->arguments[0], &err) ||
        !make_recipe(s, clip, client, &recipe, &err) || !write_line(s, recipe, &err))
        code = call_fail(s->call, &err);
    else if (!submission_send(client, s))
        code = s->code;
    else
        code = call_has(s->call, "dry-run") ? 0 : bring(s, client, clip, recipe);
    json_decref(recipe);
    return code;
}

static int run_extend(struct call *call)
{
    struct error err = {0};
    struct submission s = {.call = call, .file = "the clip", .format = "jsonl", .silent = true};
    struct clip_source clip = {0};
    struct zclient *client = NULL;
    s.options = submission_options(call, &s.inputs, &err);
    if (s.options) client = client_connect(call, TARGET_START_ALWAYS, &err);
    const int code = client ? extend(&s, &clip, client) : call_fail(call, &err);
    clip_source_finish(&clip);
    if (client) zclient_close(client);
    submission_finish(&s);
    return code;
}

static const struct option EXTEND_OPTIONS[] = {
    RECIPE_OPTIONS,
    SUBMISSION_OPTIONS,
    {"prompt", 'p', "TEXT", "what the new frames show (default: as before)"},
    {"output", 'o', "FILE", "where the clip goes (default: its old name with the new length)"},
    {0}};

const struct command command_extend = {
    "extend",
    NULL,
    "CLIP",
    1,
    1,
    "render more frames behind a clip",
    "CLIP is BATCH/N (`last/0`) or a published MP4. --seconds S or --frames N says how much is "
    "added. "
    "It goes on from the stored\n"
    "latents of the clip's end, or else from its frames; the old frames stand unchanged at the "
    "beginning of the new video, and the old\n"
    "clip stays. Other flags go before the old recipe.",
    EXTEND_OPTIONS,
    run_extend,
    false};

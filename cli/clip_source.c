#include "cli/clip_source.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/fetch.h"
#include "cli/media_tool.h"

#define SIDECAR_LIMIT_BYTES (1024 * 1024)

/* ---- a folder of our own ---- */

static bool make_folder(struct clip_source *s, struct error *err)
{
    const char *parent = getenv("TMPDIR");
    if (s->folder != NULL) return true;
    s->folder = xasprintf("%s/zoe-clip-XXXXXX", parent && *parent ? parent : "/tmp");
    if (mkdtemp(s->folder) != NULL) return true;
    error_set(err, ERROR_IO, "cannot make a folder like %s", s->folder);
    free(s->folder);
    s->folder = NULL;
    return false;
}

void clip_source_finish(struct clip_source *s)
{
    if (s->folder != NULL) (void)path_remove_tree(s->folder, NULL);
    message_free(s->parts);
    json_decref(s->recipe);
    free(s->batch);
    free(s->name);
    free(s->file);
    free(s->folder);
    *s = (struct clip_source){0};
}

/* ---- which clip ---- */

/* "BATCH/N" that is no file here. */
static bool read_reference(struct clip_source *s, const char *text)
{
    const char *slash = strrchr(text, '/');
    int64_t clip = 0;
    if (slash == NULL || path_exists(text)) return false;
    char *batch = xstrndup(text, (size_t)(slash - text));
    const bool is =
        id_is_batch_ref(batch) && text_parse_i64(slash + 1, 0, LIMIT_SUBMIT_CLIPS, &clip);
    if (is) {
        s->batch = batch;
        s->clip = (uint64_t)clip;
    } else {
        free(batch);
    }
    return is;
}

/* Sidecars and comment tags alike. */
static bool take_recipe(struct clip_source *s, const json_t *about, struct error *err)
{
    s->recipe = json_deep_copy(json_object_get(about, "recipe"));
    if (s->recipe == NULL) return error_set(err, ERROR_INVALID, "%s says no recipe", s->name);
    return recipe_check(s->recipe, err) || error_wrap(err, "the recipe of %s", s->name);
}

static void take_place(struct clip_source *s, const json_t *about)
{
    const char *batch = json_string_value(json_object_get(about, "batch"));
    const json_t *clip = json_object_get(about, "clip");
    if (batch == NULL || !id_is_batch_ref(batch) || !json_is_integer(clip)) return;
    s->batch = xstrdup(batch);
    s->clip = (uint64_t)json_integer_value(clip);
}

static bool read_comment(struct clip_source *s, struct error *err)
{
    const char *const arguments[] = {"probe", "--mp4", s->file, NULL};
    json_t *answer = NULL;
    if (!media_tool_run(arguments, &answer, err)) return error_wrap(err, "%s", s->file);
    const char *comment = json_string_value(json_object_get(answer, "comment"));
    json_t *about = comment ? json_parse(comment, strlen(comment), "its comment", NULL) : NULL;
    const bool ok = take_recipe(s, about, err);
    json_decref(about);
    json_decref(answer);
    return ok;
}

static bool read_file(struct clip_source *s, const char *path, struct error *err)
{
    if (!path_exists(path))
        return error_set(err, ERROR_NOT_FOUND,
                         "there is no file %s, and it is not BATCH/N, such as last/0", path);
    s->file = xstrdup(path);
    s->name = xstrdup(path_basename(path));
    char *side = fetch_sidecar_name(path);
    json_t *about = path_exists(side) ? json_parse_file(side, SIDECAR_LIMIT_BYTES, NULL) : NULL;
    const bool ok = about ? take_recipe(s, about, err) : read_comment(s, err);
    if (ok && about) take_place(s, about);
    json_decref(about);
    free(side);
    return ok;
}

/* ---- what the farm knows ---- */

static struct message *ask(struct zclient *client, const char *batch, uint64_t clip,
                           struct error *err)
{
    char *id = xstrdup(batch);
    Farm__ClipWanted body = FARM__CLIP_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.batch = id;
    body.clip = clip;
    request.body_case = FARM__ENVELOPE__BODY_CLIP_WANTED;
    request.clip_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_CLIP_PARTS, err);
    free(id);
    return answer;
}

static const Farm__ClipParts *parts_of(const struct clip_source *s)
{
    return s->parts ? s->parts->envelope->clip_parts : NULL;
}

static bool is_published(const Farm__ClipParts *parts, struct error *err)
{
    const Farm__Clip *clip = parts->clip;
    if (strcmp(clip->state, "published") == 0) return true;
    return error_set(err, ERROR_STATE, "clip %s/%llu is %s: only published ones can be extended",
                     parts->batch, (unsigned long long)clip->index, clip->state);
}

static bool fetch_sidecar(struct clip_source *s, struct zclient *client, struct error *err)
{
    const Farm__Clip *clip = parts_of(s)->clip;
    if (!make_folder(s, err)) return false;
    s->name = xstrdup(path_basename(clip->file));
    char *from = fetch_sidecar_name(clip->file), *to = path_join(s->folder, "sidecar.json");
    bool ok = fetch_file(client, s->batch, from, to, NULL, err);
    json_t *about = ok ? json_parse_file(to, SIDECAR_LIMIT_BYTES, err) : NULL;
    ok = about != NULL && take_recipe(s, about, err);
    json_decref(about);
    free(from);
    free(to);
    return ok;
}

static bool open_reference(struct clip_source *s, struct zclient *client, struct error *err)
{
    s->parts = ask(client, s->batch, s->clip, err);
    if (s->parts == NULL) return false;
    free(s->batch);
    s->batch = xstrdup(parts_of(s)->batch);
    return is_published(parts_of(s), err) && fetch_sidecar(s, client, err);
}

/* Another farm may have made it, or ours may have forgotten it: then the file has to do. */
static void ask_about_file(struct clip_source *s, struct zclient *client)
{
    struct digest here;
    if (s->batch != NULL) s->parts = ask(client, s->batch, s->clip, NULL);
    const Farm__ClipParts *parts = parts_of(s);
    const bool same = parts && parts->clip->sha256.len == DIGEST_BYTES &&
                      digest_of_file(s->file, &here, NULL, NULL) &&
                      memcmp(parts->clip->sha256.data, here.bytes, DIGEST_BYTES) == 0;
    if (same) return;
    message_free(s->parts);
    s->parts = NULL;
}

bool clip_source_open(struct clip_source *s, struct zclient *client, const char *text,
                      struct error *err)
{
    *s = (struct clip_source){0};
    if (read_reference(s, text)) return open_reference(s, client, err);
    if (!read_file(s, text, err)) return false;
    ask_about_file(s, client);
    return true;
}

/* ---- frames ---- */

/* Frames of the clip that its own file shows. */
static int64_t shown(const json_t *recipe)
{
    const bool keeps = !json_is_false(json_object_get(recipe, "extend_keep"));
    const int64_t before = keeps ? 0 : recipe_int(recipe, "extend_frames", 0);
    return recipe_int(recipe, "num_frames", 1) - before;
}

/* What it was extended from is stored as a file of its own. */
static bool fetch_beginning(struct clip_source *s, struct zclient *client, const char *path,
                            struct error *err)
{
    struct digest digest;
    return recipe_file_digest(recipe_text(s->recipe, "extend_video", ""), &digest) &&
           fetch_stored(client, &digest, path, err);
}

static bool fetch_piece(struct clip_source *s, struct zclient *client, size_t number,
                        const char *path, bool has_beginning, struct error *err)
{
    struct digest digest;
    if (has_beginning && number == 0) return fetch_beginning(s, client, path, err);
    const Farm__ClipPart *part = parts_of(s)->segments[number - has_beginning];
    return codec_digest_get(&part->sha256, &digest) && fetch_stored(client, &digest, path, err);
}

/* Segments that follow one another up to the clip's last frame. */
static bool segments_are_whole(const struct clip_source *s)
{
    const Farm__ClipParts *parts = parts_of(s);
    if (parts == NULL || parts->n_segments == 0 || parts->truncated) return false;
    int64_t next = recipe_int(s->recipe, "extend_frames", 0);
    for (size_t i = 0; i < parts->n_segments; i++) {
        if (parts->segments[i]->first != next) return false;
        next += parts->segments[i]->frames;
    }
    return next == recipe_int(s->recipe, "num_frames", 1);
}

static bool join(const char **arguments, const char *out, struct error *err)
{
    arguments[0] = "concat";
    arguments[1] = "--out";
    arguments[2] = out;
    return media_tool_run(arguments, NULL, err);
}

static bool fetch_pieces(struct clip_source *s, struct zclient *client, const char *out,
                         struct error *err)
{
    const int64_t own =
        recipe_int(s->recipe, "num_frames", 1) - recipe_int(s->recipe, "extend_frames", 0);
    const bool has_beginning = shown(s->recipe) > own;
    const size_t count = parts_of(s)->n_segments + has_beginning;
    const char **arguments = xcalloc(count + 4, sizeof *arguments);
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        char *path = xasprintf("%s/%06zu.mkv", s->folder, i);
        arguments[3 + i] = path;
        ok = fetch_piece(s, client, i, path, has_beginning, err);
    }
    ok = ok && join(arguments, out, err);
    for (size_t i = 0; i < count; i++) {
        if (arguments[3 + i]) (void)unlink(arguments[3 + i]);
        free((char *)(uintptr_t)arguments[3 + i]);
    }
    free(arguments);
    return ok;
}

/* False without a word: the video itself has to do. */
static bool join_segments(struct clip_source *s, struct zclient *client, const char **path)
{
    if (!segments_are_whole(s)) return false;
    char *out = path_join(s->folder, "frames.mkv");
    const bool ok = fetch_pieces(s, client, out, NULL);
    if (ok) {
        free(s->file);
        s->file = out;
        *path = out;
    } else {
        free(out);
    }
    return ok;
}

static bool fetch_video(struct clip_source *s, struct zclient *client, struct error *err)
{
    if (s->file != NULL) return true;
    const Farm__Clip *clip = parts_of(s)->clip;
    char *path = path_join(s->folder, "clip.mp4");
    const bool ok = fetch_file(client, s->batch, clip->file, path, &clip->sha256, err);
    if (ok)
        s->file = path;
    else
        free(path);
    return ok;
}

/* A video that was interpolated or scaled does not show the clip's own frames. */
static bool shows_own_frames(const struct clip_source *s, struct error *err)
{
    static const char *const changed[] = {"output_fps", "output_width", "output_height"};
    for (size_t i = 0; i < sizeof changed / sizeof changed[0]; i++)
        if (json_object_get(s->recipe, changed[i]) != NULL)
            return error_set(err, ERROR_STATE,
                             "%s was changed by %s, and its own frames are not stored any more",
                             s->name, changed[i]);
    return true;
}

bool clip_source_video(struct clip_source *s, struct zclient *client, const char **path,
                       int64_t *frames, struct error *err)
{
    if (!make_folder(s, err)) return false;
    *frames = shown(s->recipe);
    if (join_segments(s, client, path)) return true;
    if (!shows_own_frames(s, err) || !fetch_video(s, client, err)) return false;
    *path = s->file;
    return true;
}

/* ---- latents ---- */

/* The bytes are there already, or nowhere. */
static bool claim(struct zclient *client, const struct digest *digest, uint64_t size_bytes)
{
    char kind[] = "latents";
    Farm__InputOpen body = FARM__INPUT_OPEN__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    body.sha256 = codec_digest(digest);
    body.size_bytes = size_bytes;
    body.kind = kind;
    request.body_case = FARM__ENVELOPE__BODY_INPUT_OPEN;
    request.input_open = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_INPUT_STORED, NULL);
    message_free(answer);
    return answer != NULL;
}

bool clip_source_latents(const struct clip_source *s, struct zclient *client, int64_t overlap,
                         struct digest *out)
{
    const Farm__ClipParts *parts = parts_of(s);
    if (parts == NULL || !codec_digest_get(&parts->latents, out)) return false;
    const int64_t end = (int64_t)parts->latents_first + parts->latents_frames;
    return end == recipe_int(s->recipe, "num_frames", 1) && parts->latents_frames >= overlap &&
           claim(client, out, parts->latents_bytes);
}

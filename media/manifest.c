/* Reading of manifests. */
#include "media/manifest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

/* Seeds reach beyond what a double holds, so they also come as text. */
static bool read_seed(const json_t *clip, char out[MANIFEST_SEED_SIZE], const char *what,
                      struct error *err)
{
    const json_t *seed = json_object_get(clip, "seed");
    out[0] = '\0';
    if (seed == NULL || json_is_null(seed)) return true;
    if (json_is_integer(seed)) {
        (void)snprintf(out, MANIFEST_SEED_SIZE, "%lld", (long long)json_integer_value(seed));
        return true;
    }
    if (json_is_string(seed) && json_string_length(seed) < MANIFEST_SEED_SIZE) {
        (void)snprintf(out, MANIFEST_SEED_SIZE, "%s", json_string_value(seed));
        return true;
    }
    return error_set(err, ERROR_USAGE, "%s: seed is neither a short text nor a whole number", what);
}

static bool read_texts(const json_t *clip, struct manifest_clip *out, const char *what,
                       struct error *err)
{
    struct {
        const char *key;
        const char **out;
    } rows[] = {
        {"path", &out->path},     {"video", &out->video}, {"prompt", &out->prompt},
        {"state", &out->state},   {"note", &out->note},   {"suspect", &out->suspect},
        {"worker", &out->worker},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!json_get_text_or(clip, rows[i].key, "", rows[i].out, what, err)) return false;
    }
    return true;
}

static bool read_scene(const json_t *scene, int64_t least, struct manifest_scene *out,
                       const char *what, struct error *err)
{
    if (!json_is_object(scene))
        return error_set(err, ERROR_USAGE, "%s: a scene is not an object", what);
    if (!json_get_int(scene, "frame", &out->frame, what, err) ||
        !json_get_text_or(scene, "prompt", "", &out->prompt, what, err) ||
        !json_get_real_or(scene, "seconds", 0, &out->seconds, what, err))
        return false;
    if (out->frame < least)
        return error_set(err, ERROR_USAGE, "%s: its scenes are out of order", what);
    return (out->seconds >= 0 && out->seconds <= 1e6) ||
           error_set(err, ERROR_USAGE, "%s: a scene of %g s", what, out->seconds);
}

static bool read_scenes(const json_t *clip, struct manifest_clip *out, const char *what,
                        struct error *err)
{
    const json_t *scenes = json_object_get(clip, "scenes");
    if (scenes == NULL || json_is_null(scenes)) return true;
    if (!json_is_array(scenes) || json_array_size(scenes) > MANIFEST_SCENES_MAX)
        return error_set(err, ERROR_USAGE, "%s: scenes is not a list of at most %d", what,
                         MANIFEST_SCENES_MAX);
    out->scene_count = json_array_size(scenes);
    out->scenes = xcalloc(out->scene_count, sizeof *out->scenes);
    for (size_t i = 0; i < out->scene_count; i++) {
        int64_t least = i > 0 ? out->scenes[i - 1].frame : 0;
        if (!read_scene(json_array_get(scenes, i), least, &out->scenes[i], what, err)) return false;
    }
    return true;
}

static bool read_clip(const json_t *clip, size_t index, struct manifest_clip *out,
                      struct error *err)
{
    char what[48];
    (void)snprintf(what, sizeof(what), "clip %zu", index);
    if (!json_is_object(clip)) return error_set(err, ERROR_USAGE, "%s is not an object", what);
    if (!read_texts(clip, out, what, err) || !read_seed(clip, out->seed, what, err)) return false;
    const json_t *recipe = json_object_get(clip, "recipe");
    if (json_is_object(recipe)) out->recipe = recipe;
    if (!read_scenes(clip, out, what, err)) return false;
    return json_get_real_or(clip, "seconds", -1.0, &out->seconds, what, err);
}

static bool read_clips(struct manifest *m, struct error *err)
{
    const json_t *clips = json_object_get(m->document, "clips");
    if (!json_is_array(clips)) return error_set(err, ERROR_USAGE, "\"clips\" is not a list");
    m->clip_count = json_array_size(clips);
    m->clips = xcalloc(m->clip_count, sizeof(*m->clips));
    for (size_t i = 0; i < m->clip_count; i++) {
        if (!read_clip(json_array_get(clips, i), i, &m->clips[i], err)) return false;
    }
    return true;
}

static bool read_number(const struct manifest *m, const char *key, int64_t most, int *out,
                        struct error *err)
{
    int64_t value;
    if (!json_get_int_or(m->document, key, 0, &value, "the manifest", err)) return false;
    if (value < 0 || value > most) {
        return error_set(err, ERROR_USAGE, "\"%s\" is outside 0 to %lld", key, (long long)most);
    }
    *out = (int)value;
    return true;
}

static bool read_document(struct manifest *m, struct error *err)
{
    const char *what = "the manifest";
    if (!json_is_object(m->document)) return error_set(err, ERROR_USAGE, "it is not an object");
    return json_get_text_or(m->document, "title", "", &m->title, what, err) &&
           json_get_text_or(m->document, "subtitle", "", &m->subtitle, what, err) &&
           read_number(m, "columns", MANIFEST_COLUMNS_MAX, &m->columns, err) &&
           read_number(m, "limit", MANIFEST_LIMIT_MAX, &m->limit, err) && read_clips(m, err);
}

bool manifest_load(struct manifest *m, const char *path, struct error *err)
{
    memset(m, 0, sizeof(*m));
    m->document = json_parse_file(path, MANIFEST_MAX_BYTES, err);
    if (m->document != NULL && read_document(m, err)) return true;
    if (err != NULL && err->code == ERROR_INVALID) err->code = ERROR_USAGE; /* it is an argument */
    manifest_finish(m);
    return error_wrap(err, "%s", path);
}

void manifest_finish(struct manifest *m)
{
    for (size_t i = 0; i < m->clip_count && m->clips != NULL; i++)
        free(m->clips[i].scenes);
    free(m->clips);
    json_decref(m->document);
    m->clips = NULL;
    m->document = NULL;
}

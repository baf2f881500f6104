/* Reading of a stitcher's manifest. */
#include "media/stitch_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/xalloc.h"

static const char *const segment_members[] = {"path",          "frames", "first",
                                              "frames_sha256", "place",  NULL};
static const char *const before_members[] = {"path", "frames", NULL};
static const char *const document_members[] = {"segments", "before", NULL};

static bool is_among(const char *name, const char *const *names)
{
    while (*names != NULL && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static bool check_members(json_t *object, const char *const *names, const char *what,
                          struct error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(object)) return error_set(err, ERROR_USAGE, "%s is not an object", what);
    json_object_foreach(object, name, value)
    {
        if (!is_among(name, names))
            return error_set(err, ERROR_USAGE, "%s has no member %.64s", what, name);
    }
    return true;
}

static bool read_frames(const json_t *object, const char *what, int64_t *out, struct error *err)
{
    if (!json_get_int(object, "frames", out, what, err)) return false;
    return (*out >= 1 && *out <= FRAMES_COUNT_MAX) ||
           error_set(err, ERROR_USAGE, "%s: %lld frames", what, (long long)*out);
}

static bool read_path(const json_t *object, const char *what, const char **out, struct error *err)
{
    if (!json_get_text(object, "path", out, what, err)) return false;
    return **out != '\0' || error_set(err, ERROR_USAGE, "%s: an empty path", what);
}

static bool read_digest(const json_t *segment, const char *what, struct digest *out,
                        struct error *err)
{
    const char *hex;
    if (!json_get_text_or(segment, "frames_sha256", NULL, &hex, what, err)) return false;
    if (hex == NULL || digest_parse(hex, out)) return true;
    return error_set(err, ERROR_USAGE, "%s: frames_sha256 is not 64 hex digits", what);
}

static bool read_segment(json_t *segment, size_t index, struct stitch_manifest *m,
                         struct error *err)
{
    char what[48];
    struct stitch_fact *fact = &m->facts[index];
    (void)snprintf(what, sizeof what, "segment %zu", index);
    if (!check_members(segment, segment_members, what, err) ||
        !read_path(segment, what, &m->paths[index], err) ||
        !read_frames(segment, what, &fact->frames, err) ||
        !json_get_int_or(segment, "first", STITCH_FIRST_ANY, &fact->first, what, err) ||
        !json_get_text_or(segment, "place", NULL, &fact->place, what, err) ||
        !read_digest(segment, what, &fact->frames_sha256, err))
        return false;
    m->frames += fact->frames;
    return (fact->first >= STITCH_FIRST_ANY && fact->first <= FRAMES_COUNT_MAX) ||
           error_set(err, ERROR_USAGE, "%s: its first frame is %lld", what, (long long)fact->first);
}

static bool read_segments(struct stitch_manifest *m, struct error *err)
{
    const json_t *list = json_object_get(m->document, "segments");
    size_t count = json_array_size(list);
    if (count < 1 || count > STITCH_MANIFEST_SEGMENTS_MAX)
        return error_set(err, ERROR_USAGE, "\"segments\" is not a list of 1 to %d",
                         STITCH_MANIFEST_SEGMENTS_MAX);
    m->count = (int)count;
    m->paths = xcalloc(count, sizeof *m->paths);
    m->facts = xcalloc(count, sizeof *m->facts);
    for (size_t i = 0; i < count; i++)
        if (!read_segment(json_array_get(list, i), i, m, err)) return false;
    return true;
}

static bool read_before(struct stitch_manifest *m, struct error *err)
{
    json_t *before = json_object_get(m->document, "before");
    if (before == NULL || json_is_null(before)) return true;
    if (!check_members(before, before_members, "before", err) ||
        !read_path(before, "before", &m->before, err) ||
        !read_frames(before, "before", &m->before_frames, err))
        return false;
    m->frames += m->before_frames;
    return true;
}

bool stitch_manifest_load(struct stitch_manifest *m, const char *path, struct error *err)
{
    memset(m, 0, sizeof *m);
    m->document = json_parse_file(path, STITCH_MANIFEST_MAX_BYTES, err);
    if (m->document != NULL && check_members(m->document, document_members, "it", err) &&
        read_segments(m, err) && read_before(m, err))
        return true;
    if (err != NULL && err->code == ERROR_INVALID) err->code = ERROR_USAGE; /* it is an argument */
    stitch_manifest_finish(m);
    return error_wrap(err, "%s", path);
}

void stitch_manifest_finish(struct stitch_manifest *m)
{
    free(m->paths);
    free(m->facts);
    json_decref(m->document);
    memset(m, 0, sizeof *m);
}

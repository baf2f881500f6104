#include "coordinator/tree.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/publish.h"
#include "coordinator/publish_files.h"

#define SIDECAR_BYTES ((size_t)32 * 1024 * 1024)
#define SCHEMA "zoe.clip.v1"
#define WHAT "a sidecar"

/* ---- batches ---- */

static bool names_a_batch(const char *name)
{
    char id[ID_BATCH_SIZE];
    const size_t prefix = strlen(PUBLISH_TEMPORARY);
    if (strncmp(name, PUBLISH_TEMPORARY, prefix) == 0) return id_is_batch(name + prefix);
    (void)snprintf(id, sizeof id, "%s", name);
    return id_is_batch(id) && (name[ID_BATCH_LENGTH] == '\0' || name[ID_BATCH_LENGTH] == '-');
}

bool tree_batches(const char *renders, char ***names_out, size_t *count_out, struct error *err)
{
    char **names = NULL;
    size_t count = 0, kept = 0;
    if (!path_list(renders, &names, &count, err)) return false;
    for (size_t i = 0; i < count; i++) {
        char *about = xasprintf("%s/%s/batch.json", renders, names[i]);
        if (names_a_batch(names[i]) && path_exists(about))
            names[kept++] = names[i];
        else
            free(names[i]);
        free(about);
    }
    *names_out = names;
    *count_out = kept;
    return true;
}

/* ---- sidecars ---- */

/* Without ".json", or the extension of what it tells of. */
static size_t stem_length(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? (size_t)(dot - name) : strlen(name);
}

/* By the name, which begins with the clip's number: a damaged sidecar need not say it. */
static bool is_published(const struct tree_look *l, const char *name)
{
    int64_t clip = 0;
    char number[16] = "";
    const char *own = path_basename(name);
    const size_t digits = strspn(own, "0123456789");
    if (digits >= sizeof number) return false;
    memcpy(number, own, digits);
    if (!text_parse_i64(number, 0, (int64_t)l->clips - 1, &clip)) return false;
    const char *file = l->published(l->context, (uint32_t)clip);
    return file != NULL && stem_length(file) == stem_length(name) &&
           strncmp(file, name, stem_length(name)) == 0;
}

static const struct {
    enum finding_level level;
    const char *fix;
} damage[] = {
    {FINDING_WARN, "its clip is rendered again, unless it stands there whole under another name; "
                   "what stands here is left alone"},
    {FINDING_FAIL, "put it back from a copy: its clip is published and not rendered again"},
};

static void damaged(struct tree_look *l, const char *path, const char *name, const char *words)
{
    const bool lost = is_published(l, name);
    if (findings_many_next(lost ? &l->lost : &l->damaged))
        findings_add(l->findings, damage[lost].level, "clips", path, damage[lost].fix, "%s", words);
}

static bool read_suspect(const json_t *o, enum suspect *out)
{
    const json_t *value = json_object_get(o, "suspect");
    *out = SUSPECT_NONE;
    if (value == NULL || json_is_null(value)) return true;
    for (int s = SUSPECT_BLACK; s <= SUSPECT_STILL; s++) {
        if (!json_is_string(value) ||
            strcmp(json_string_value(value), suspect_name((enum suspect)s)) != 0)
            continue;
        *out = (enum suspect)s;
        return true;
    }
    return false;
}

static bool read_address(const struct tree_look *l, const json_t *o, struct clip_record *clip,
                         struct error *err)
{
    const char *schema = NULL, *batch = NULL;
    int64_t number = 0;
    if (!json_get_text(o, "schema", &schema, WHAT, err) ||
        !json_get_text(o, "batch", &batch, WHAT, err) ||
        !json_get_int(o, "clip", &number, WHAT, err))
        return false;
    if (strcmp(schema, SCHEMA) != 0 || strcmp(batch, l->batch) != 0 || number < 0 ||
        (uint64_t)number >= l->clips)
        return error_set(err, ERROR_INVALID, "it is of no clip of this batch");
    memcpy(clip->batch, l->batch, sizeof clip->batch);
    clip->clip = (uint32_t)number;
    return true;
}

static bool read_file(const json_t *file, struct clip_record *clip, struct error *err)
{
    const char *hex = NULL;
    int64_t size = 0;
    if (!json_get_text(file, "sha256", &hex, WHAT, err) ||
        !json_get_int(file, "size_bytes", &size, WHAT, err))
        return false;
    clip->size_bytes = (uint64_t)size;
    return size >= 0 && digest_parse(hex, &clip->sha256)
               ? true
               : error_set(err, ERROR_INVALID, "it names no file");
}

/* Fills all but the file's name; texts are borrowed from `o`. */
static bool read_sidecar(const struct tree_look *l, const json_t *o, struct clip_record *clip,
                         enum output_kind *kind, struct error *err)
{
    int64_t attempts = 0;
    if (!read_address(l, o, clip, err)) return false;
    *kind = l->output(l->context, clip->clip);
    if (*kind == OUTPUT_REPORT) return error_set(err, ERROR_INVALID, "a report has no file");
    if (!read_file(json_object_get(o, output_kind_name(*kind)), clip, err) ||
        !json_get_text_or(o, "worker", "", &clip->worker, WHAT, err) ||
        !json_get_int_or(o, "attempts", 1, &attempts, WHAT, err))
        return false;
    if (!read_suspect(o, &clip->suspect) || attempts < 0 || attempts > UINT32_MAX)
        return error_set(err, ERROR_INVALID, "it makes no sense");
    clip->attempts = (uint32_t)attempts;
    clip->state = CLIP_PUBLISHED;
    clip->why = clip->message = "";
    return true;
}

static uint64_t steps(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(json_object_get(o, "steps"), key);
    return json_is_integer(value) && json_integer_value(value) > 0
               ? (uint64_t)json_integer_value(value)
               : 0;
}

static bool is_whole(const struct tree_look *l, const char *path, const struct clip_record *clip,
                     struct stat *info, struct error *err)
{
    struct digest found;
    if (lstat(path, info) != 0 || !S_ISREG(info->st_mode))
        return error_set(err, ERROR_NOT_FOUND, "%s is missing", path_basename(path));
    if ((uint64_t)info->st_size != clip->size_bytes)
        return error_set(err, ERROR_CORRUPT, "%s has another size", path_basename(path));
    if (l->fast) return true;
    return digest_of_file(path, &found, NULL, err) &&
           (digest_equal(&found, &clip->sha256) ||
            error_set(err, ERROR_CORRUPT, "the bytes of %s have changed", path_basename(path)));
}

/* `name` is relative to the batch's folder and ends in ".json". */
static void look_at(struct tree_look *l, const char *path, const char *name)
{
    struct error err = {0};
    struct clip_record clip = {0};
    struct stat info, sidecar;
    enum output_kind kind = OUTPUT_VIDEO;
    json_t *o = json_parse_file(path, SIDECAR_BYTES, &err);
    bool ok = o != NULL && lstat(path, &sidecar) == 0 && read_sidecar(l, o, &clip, &kind, &err);
    const char *extension = output_kind_extension(kind);
    char *file = xasprintf("%.*s.%s", (int)(strlen(name) - strlen(".json")), name, extension);
    char *place = path_join(l->folder, file);
    if (ok && is_whole(l, place, &clip, &info, &err)) {
        clip.file = file;
        clip.sidecar_bytes = (uint64_t)sidecar.st_size;
        const int64_t published_ms =
            (int64_t)info.st_mtim.tv_sec * 1000 + info.st_mtim.tv_nsec / 1000000;
        l->found(l->context, &clip, steps(o, "computed"), steps(o, "wasted"), published_ms);
    } else {
        damaged(l, path, name, err.message);
    }
    free(place);
    free(file);
    json_decref(o);
}

/* ---- folders ---- */

static bool is_sidecar(const char *name)
{
    const size_t length = strlen(name), tail = strlen(".json");
    return name[0] != '.' && length > tail && strcmp(name + length - tail, ".json") == 0 &&
           strcmp(name, "batch.json") != 0;
}

static bool is_real_folder(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* What a person or a file server has put there, or a disk that fails: the rest is looked at. */
static void pass_over(struct tree_look *l, const char *inside, const struct error *why)
{
    l->unread++;
    findings_add(l->findings, FINDING_FAIL, "clips", l->batch,
                 "make the folder readable, or move it away if it is not the farm's; recover again",
                 "%s was not read: %s", inside, why->message);
}

static bool walk(struct tree_look *l, const char *inside, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    char *folder = inside[0] != '\0' ? path_join(l->folder, inside) : xstrdup(l->folder);
    bool ok = path_list(folder, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        char *name = inside[0] != '\0' ? path_join(inside, names[i]) : xstrdup(names[i]);
        char *path = path_join(l->folder, name);
        if (is_sidecar(names[i]))
            look_at(l, path, name);
        else if (inside[0] == '\0' && names[i][0] != '.' && is_real_folder(path) &&
                 !walk(l, name, err))
            pass_over(l, name, err);
        free(path);
        free(name);
    }
    path_list_free(names, count);
    free(folder);
    return ok;
}

static void tell_rest(const struct tree_look *l, enum finding_level level,
                      const struct findings_many *many)
{
    if (many->seen > many->most)
        findings_add(l->findings, level, "clips", l->batch, NULL, "and %zu more",
                     many->seen - many->most);
}

bool tree_clips(struct tree_look *look, struct error *err)
{
    look->damaged = look->lost = (struct findings_many){20, 0};
    look->unread = 0;
    if (!walk(look, "", err)) return false;
    tell_rest(look, FINDING_WARN, &look->damaged);
    tell_rest(look, FINDING_FAIL, &look->lost);
    return true;
}

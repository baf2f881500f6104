/* A clip's names, its temporaries, and the text of its tag. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/publish.h"
#include "coordinator/publish_files.h"
#include "coordinator/publish_sidecar.h"

#define FLAT_CLIPS_MAX 10000
#define FOLDER_CLIPS 1000

/* ---- names ---- */

#define DIGITS 20 /* of the largest number */

/* Digits of the batch's last index. */
static int index_width(uint64_t clip_count)
{
    int width = 1;
    for (uint64_t last = clip_count > 0 ? clip_count - 1 : 0; last >= 10; last /= 10)
        width++;
    return width;
}

/* The last `width` digits, zeros in front. */
static const char *padded(uint64_t number, int width, char out[DIGITS + 1])
{
    (void)snprintf(out, DIGITS + 1, "%020" PRIu64, number);
    return out + DIGITS - width;
}

void publish_clip_name(uint64_t clip, uint64_t clip_count, const char *prompt, int64_t seed,
                       char out[PUBLISH_NAME_SIZE])
{
    char slug[TEXT_SLUG_MAX + 1];
    char first[DIGITS + 1];
    char index[DIGITS + 1];
    int width = index_width(clip_count);
    bool flat = clip_count <= FLAT_CLIPS_MAX;
    text_slug(prompt, slug);
    (void)snprintf(out, PUBLISH_NAME_SIZE, "%s%s%s_%s_s%" PRId64,
                   flat ? "" : padded(clip / FOLDER_CLIPS * FOLDER_CLIPS, width, first),
                   flat ? "" : "/", padded(clip, width, index), slug, seed);
}

char *publish_files_folder(const struct publish_target *t)
{
    char *path = path_join(t->folder, t->name);
    char *folder = path_dirname(path);
    free(path);
    return folder;
}

char *publish_files_temporary(const struct publish_target *t, const char *extension)
{
    char *folder = publish_files_folder(t);
    char *path = xasprintf("%s/" PUBLISH_TEMPORARY "%" PRIu64 ".%s", folder, t->clip, extension);
    free(folder);
    return path;
}

/* ---- temporaries ---- */

void publish_clip_drop(const struct publish_target *t)
{
    static const char *const extensions[] = {"mp4",         "mp4.comment",  "mp4.manifest", "png",
                                             "png.comment", "png.manifest", "json"};
    for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
        char *path = publish_files_temporary(t, extensions[i]);
        (void)unlink(path);
        free(path);
    }
}

char *publish_temp(const struct publish_target *t, struct error *err)
{
    char *folder = publish_files_folder(t);
    bool ok = path_make_folders(folder, 0755, err);
    free(folder);
    if (!ok) return NULL;
    publish_clip_drop(t);
    return publish_files_temporary(t, output_kind_extension(t->output));
}

char *publish_comment(const struct publish_record *r)
{
    char hex[DIGEST_TEXT_SIZE];
    json_t *comment = json_object();
    digest_text(&r->model_digest, hex);
    (void)json_object_set_new(comment, "fingerprint", json_string(r->fingerprint));
    (void)json_object_set_new(comment, "model_digest", json_string(hex));
    if (r->second_model != NULL) {
        digest_text(&r->second_digest, hex);
        (void)json_object_set_new(comment, "second_model_digest", json_string(hex));
    }
    (void)json_object_set_new(comment, "recipe", json_deep_copy(r->recipe));
    char *text = json_canonical(comment);
    json_decref(comment);
    return text;
}

/* The sidecar's own write syncs the folder, and with it the video's name. */
static bool write_sidecar(const struct publish_target *t, const struct publish_record *r,
                          struct publish_sealed *out, struct error *err)
{
    char *path = publish_files_temporary(t, "json");
    char *text = publish_sidecar_text(t, r, out);
    out->sidecar_bytes = strlen(text);
    bool ok = path_write_atomic(path, text, strlen(text), 0644, err);
    free(text);
    free(path);
    return ok;
}

bool publish_seal(const struct publish_target *t, const struct publish_record *r,
                  struct publish_sealed *out, struct error *err)
{
    char *video = publish_files_temporary(t, output_kind_extension(t->output));
    bool ok = path_fsync_file(video, err) &&
              digest_of_file(video, &out->sha256, &out->size_bytes, err) &&
              write_sidecar(t, r, out, err);
    free(video);
    return ok;
}

/* ---- leftovers ---- */

struct sweep {
    bool (*keep)(void *context, uint64_t clip);
    void *context;
};

/* Those of ours and of path_write_atomic (".NAME.tmp.PID.RANDOM"). */
static bool is_temporary(const char *name)
{
    if (strncmp(name, PUBLISH_TEMPORARY, strlen(PUBLISH_TEMPORARY)) == 0) return true;
    return name[0] == '.' && strstr(name, ".tmp.") != NULL;
}

static bool is_claimed(const struct sweep *s, const char *name)
{
    char *end = NULL;
    if (strncmp(name, PUBLISH_TEMPORARY, strlen(PUBLISH_TEMPORARY)) != 0) return false;
    const char *digits = name + strlen(PUBLISH_TEMPORARY);
    uint64_t clip = strtoull(digits, &end, 10);
    if (end == digits) return false;
    enum output_kind kind;
    if (strchr(end, '.') != end || strchr(end + (*end != '\0'), '.') != NULL) return false;
    if (strcmp(end, ".json") != 0 && !output_kind_of_path(end, &kind)) return false;
    return s->keep(s->context, clip);
}

static bool is_sub_folder(const char *path, const char *name)
{
    struct stat info;
    return name[strspn(name, "0123456789")] == '\0' && lstat(path, &info) == 0 &&
           S_ISDIR(info.st_mode);
}

static bool sweep_folder(const struct sweep *s, const char *folder, int depth, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    bool ok = path_list(folder, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        char *path = path_join(folder, names[i]);
        if (is_temporary(names[i])) {
            if (!is_claimed(s, names[i])) ok = path_remove_tree(path, err);
        } else if (depth == 0 && is_sub_folder(path, names[i])) {
            ok = sweep_folder(s, path, depth + 1, err);
        }
        free(path);
    }
    path_list_free(names, count);
    return ok;
}

bool publish_sweep(const char *folder, bool (*keep)(void *context, uint64_t clip), void *context,
                   struct error *err)
{
    struct sweep s = {keep, context};
    return sweep_folder(&s, folder, 0, err);
}

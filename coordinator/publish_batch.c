/* A batch's folder: prepared out of sight, placed by one rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "coordinator/publish.h"
#include "coordinator/publish_files.h"

#define SCHEMA "zoe.batch.v1"
#define COPY_BYTES 65536

void publish_folder_name(const char *batch, const char *name, char out[PUBLISH_FOLDER_SIZE])
{
    char slug[TEXT_SLUG_MAX + 1];
    text_slug_raw(name, slug);
    (void)snprintf(out, PUBLISH_FOLDER_SIZE, "%s%s%s", batch, slug[0] != '\0' ? "-" : "", slug);
}

json_t *publish_batch_about(const char *batch, const char *name, const char *owner, int priority,
                            int64_t submitted_ms, uint64_t prompts, uint64_t clips,
                            const json_t *options, const json_t *groups)
{
    char submitted[CLOCK_TEXT_SIZE];
    json_t *o = json_object();
    clock_wall_text(submitted_ms, submitted);
    (void)json_object_set_new(o, "schema", json_string(SCHEMA));
    (void)json_object_set_new(o, "batch", json_string(batch));
    (void)json_object_set_new(o, "name", json_string(name));
    (void)json_object_set_new(o, "owner", json_string(owner));
    (void)json_object_set_new(o, "priority", json_integer(priority));
    (void)json_object_set_new(o, "submitted", json_string(submitted));
    (void)json_object_set_new(o, "prompts", json_integer((json_int_t)prompts));
    (void)json_object_set_new(o, "clips", json_integer((json_int_t)clips));
    (void)json_object_set_new(o, "options", json_deep_copy(options));
    (void)json_object_set_new(o, "groups", json_deep_copy(groups));
    return o;
}

/* ---- preparing ---- */

static char *prepared_path(const char *renders, const char *batch)
{
    return xasprintf("%s/" PUBLISH_TEMPORARY "%s", renders, batch);
}

static bool copy_bytes(int from, int to, const char *what, struct error *err)
{
    char *part = xmalloc(COPY_BYTES);
    ssize_t got = 1;
    bool ok = true;
    while (ok && got != 0) {
        got = read(from, part, COPY_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) ok = error_set_errno(err, errno, "cannot read the submission");
        if (got > 0) ok = path_write_fd(to, part, (size_t)got, what, err);
    }
    free(part);
    return ok;
}

static bool copy_file(const char *source, const char *target, struct error *err)
{
    int from = open(source, O_RDONLY | O_CLOEXEC);
    int to = from < 0 ? -1 : open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    bool ok = to >= 0;
    if (!ok) error_set_errno(err, errno, "cannot copy %s to %s", source, target);
    ok = ok && copy_bytes(from, to, target, err);
    if (from >= 0) (void)close(from);
    if (to >= 0 && close(to) != 0 && ok) {
        ok = error_set_errno(err, errno, "cannot write %s", target);
    }
    return ok;
}

static bool keep_file(const char *source, const char *folder, const char *name, struct error *err)
{
    char *target = path_join(folder, name);
    bool ok = link(source, target) == 0 || copy_file(source, target, err);
    ok = ok && path_fsync_file(target, err);
    free(target);
    return ok;
}

static bool keep_prompts(const struct publish_batch *b, const char *folder, struct error *err)
{
    const char *name = b->source_is_jsonl ? "prompts.jsonl" : "prompts.txt";
    return keep_file(b->source, folder, name, err) &&
           (b->recipes == NULL || keep_file(b->recipes, folder, PUBLISH_RECIPES, err));
}

/* Written last: its folder's sync covers the prompts too. */
static bool write_about(const struct publish_batch *b, const char *folder, struct error *err)
{
    char *path = path_join(folder, "batch.json");
    char *text = json_pretty(b->about);
    bool ok = path_write_atomic(path, text, strlen(text), 0644, err);
    free(text);
    free(path);
    return ok;
}

bool publish_batch_prepare(const struct publish_batch *b, struct error *err)
{
    char *folder = prepared_path(b->renders, b->batch);
    bool ok = path_remove_tree(folder, err) && path_make_folders(folder, 0755, err) &&
              keep_prompts(b, folder, err) && write_about(b, folder, err);
    if (!ok) (void)path_remove_tree(folder, NULL);
    free(folder);
    return ok;
}

/* ---- placing ---- */

/* The folder stands already: a clip was published while the rename was refused. What it lacks moves
 * in. */
static bool merge(const char *from, const char *to, struct error *err)
{
    static const char *const names[] = {"prompts.txt", "prompts.jsonl", PUBLISH_RECIPES,
                                        "batch.json"};
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(names) / sizeof(names[0]); i++) {
        char *source = path_join(from, names[i]);
        char *target = path_join(to, names[i]);
        if (path_exists(source) && !path_exists(target) && rename(source, target) != 0) {
            ok = error_set_errno(err, errno, "cannot rename %s to %s", source, target);
        }
        free(source);
        free(target);
    }
    return ok && path_fsync_folder(to, err) && path_remove_tree(from, err);
}

/* Nothing to rename, but the name taken: it was done before the last end. */
static bool place(const char *from, const char *to, struct error *err)
{
    if (rename(from, to) == 0) return true;
    int reason = errno;
    if (reason == ENOENT && path_is_folder(to)) return true;
    if (reason == ENOTEMPTY || reason == EEXIST) return merge(from, to, err);
    return error_set_errno(err, reason, "cannot rename %s to %s", from, to);
}

bool publish_batch_place(const char *renders, const char *batch, const char *folder,
                         struct error *err)
{
    char *from = prepared_path(renders, batch);
    char *to = path_join(renders, folder);
    bool ok = place(from, to, err) && path_fsync_folder(renders, err);
    free(from);
    free(to);
    return ok;
}

void publish_batch_drop(const char *renders, const char *batch)
{
    struct error err = {0};
    char *path = prepared_path(renders, batch);
    if (!path_remove_tree(path, &err)) log_warn("%s", err.message);
    free(path);
}

/* ---- the start ---- */

static bool recover(const char *renders, const char *batch, const char *folder, struct error *err)
{
    if (folder != NULL) return publish_batch_place(renders, batch, folder, err);
    publish_batch_drop(renders, batch);
    return true;
}

bool publish_batch_recover(const char *renders,
                           const char *(*folder_of)(void *context, const char *batch),
                           void *context, struct error *err)
{
    char **names = NULL;
    size_t count = 0;
    size_t prefix = strlen(PUBLISH_TEMPORARY);
    bool ok = path_list(renders, &names, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        const char *batch = names[i] + (strlen(names[i]) < prefix ? 0 : prefix);
        if (strncmp(names[i], PUBLISH_TEMPORARY, prefix) != 0 || !id_is_batch(batch)) continue;
        ok = recover(renders, batch, folder_of(context, batch), err);
    }
    path_list_free(names, count);
    return ok;
}

#include "base/model_digest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/path.h"
#include "base/xalloc.h"

static const char *const left_out[] = {"canary.json", "train"};

bool model_digest_leaves_out(const char *relative)
{
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (strcmp(relative, left_out[i]) == 0) return true;
    return false;
}

struct walk {
    const char *folder;
    const atomic_bool *stop;
    struct model_files *files;
};

static bool add_file(struct walk *w, const char *full, const char *relative, struct error *err)
{
    struct model_files *files = w->files;
    struct model_file file = {0};
    if (files->count >= MODEL_DIGEST_FILES_MAX)
        return error_set(err, ERROR_INVALID, "%s: a model has at most %d files", full,
                         MODEL_DIGEST_FILES_MAX);
    if (!digest_of_file_until(full, w->stop, &file.digest, &file.size_bytes, err)) return false;
    file.path = xstrdup(relative);
    files->items = xrealloc_array(files->items, files->count + 1, sizeof *files->items);
    files->items[files->count++] = file;
    files->total_bytes += file.size_bytes;
    return true;
}

static bool walk(struct walk *w, const char *prefix, int depth, struct error *err);

static bool visit(struct walk *w, const char *relative, int depth, struct error *err)
{
    struct stat info;
    if (model_digest_leaves_out(relative)) return true;
    if (!path_is_safe_relative(relative))
        return error_set(err, ERROR_INVALID, "%s: a file name that cannot be shipped", w->folder);
    char *full = path_join(w->folder, relative);
    bool ok = true;
    if (lstat(full, &info) != 0)
        ok = error_set_errno(err, errno, "%s", full);
    else if (S_ISDIR(info.st_mode))
        ok = walk(w, relative, depth + 1, err);
    else if (S_ISREG(info.st_mode))
        ok = add_file(w, full, relative, err);
    else
        ok = error_set(err, ERROR_INVALID, "%s is neither a file nor a folder", full);
    free(full);
    return ok;
}

static bool walk(struct walk *w, const char *prefix, int depth, struct error *err)
{
    char **names;
    size_t count;
    if (depth > MODEL_DIGEST_DEPTH_MAX)
        return error_set(err, ERROR_INVALID, "%s: folders nest too deep", w->folder);
    char *here = prefix[0] == '\0' ? xstrdup(w->folder) : path_join(w->folder, prefix);
    bool ok = path_list(here, &names, &count, err);
    free(here);
    if (!ok) return false;
    for (size_t i = 0; ok && i < count; i++) {
        char *relative =
            prefix[0] == '\0' ? xstrdup(names[i]) : xasprintf("%s/%s", prefix, names[i]);
        ok = visit(w, relative, depth, err);
        free(relative);
    }
    path_list_free(names, count);
    return ok;
}

static int by_path(const void *a, const void *b)
{
    const struct model_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

bool model_digest_list(const char *folder, struct model_files *out, struct error *err)
{
    return model_digest_list_until(folder, NULL, out, err);
}

bool model_digest_list_until(const char *folder, const atomic_bool *stop, struct model_files *out,
                             struct error *err)
{
    struct walk w = {folder, stop, out};
    memset(out, 0, sizeof *out);
    bool ok = walk(&w, "", 0, err);
    if (ok && out->count == 0) ok = error_set(err, ERROR_INVALID, "%s holds no files", folder);
    if (!ok) {
        model_digest_finish(out);
        return false;
    }
    qsort(out->items, out->count, sizeof *out->items, by_path);
    return true;
}

void model_digest_finish(struct model_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->items[i].path);
    free(files->items);
    memset(files, 0, sizeof *files);
}

struct digest model_digest_of(const struct model_files *files)
{
    struct digest_stream stream;
    char hex[DIGEST_TEXT_SIZE], size[32];
    digest_begin(&stream);
    for (size_t i = 0; i < files->count; i++) {
        const struct model_file *file = &files->items[i];
        digest_text(&file->digest, hex);
        digest_update(&stream, hex, strlen(hex));
        snprintf(size, sizeof size, " %" PRIu64 " ", file->size_bytes);
        digest_update(&stream, size, strlen(size));
        digest_update(&stream, file->path, strlen(file->path));
        digest_update(&stream, "\n", 1);
    }
    return digest_end(&stream);
}

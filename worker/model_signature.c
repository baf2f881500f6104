#include "worker/model_signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/model_digest.h"
#include "base/path.h"
#include "base/xalloc.h"

static void add_file(struct digest_stream *s, const char *relative, const struct stat *info)
{
    char line[160];
    const int size =
        snprintf(line, sizeof line, "%" PRIdMAX " %" PRIdMAX ".%09ld %" PRIdMAX ".%09ld ",
                 (intmax_t)info->st_size, (intmax_t)info->st_mtim.tv_sec, info->st_mtim.tv_nsec,
                 (intmax_t)info->st_ctim.tv_sec, info->st_ctim.tv_nsec);
    digest_update(s, line, (size_t)size);
    digest_update(s, relative, strlen(relative) + 1);
}

static bool add_folder(struct digest_stream *s, const char *folder, const char *prefix, int depth);

static bool add_entry(struct digest_stream *s, const char *folder, const char *relative, int depth)
{
    struct stat info;
    if (model_digest_leaves_out(relative)) return true;
    char *path = path_join(folder, relative);
    const bool seen = lstat(path, &info) == 0;
    free(path);
    if (seen && S_ISDIR(info.st_mode)) return add_folder(s, folder, relative, depth + 1);
    if (seen) add_file(s, relative, &info);
    return seen;
}

static bool add_folder(struct digest_stream *s, const char *folder, const char *prefix, int depth)
{
    char **names;
    size_t count;
    char *here = path_join(folder, prefix);
    bool ok = depth <= MODEL_DIGEST_DEPTH_MAX && path_list(here, &names, &count, NULL);
    free(here);
    if (!ok) return false;
    for (size_t i = 0; ok && i < count; i++) {
        char *relative = prefix[0] ? path_join(prefix, names[i]) : xstrdup(names[i]);
        ok = add_entry(s, folder, relative, depth);
        free(relative);
    }
    path_list_free(names, count);
    return ok;
}

bool model_signature(const char *folder, struct digest *out)
{
    struct digest_stream stream;
    digest_begin(&stream);
    const bool ok = add_folder(&stream, folder, "", 0);
    *out = digest_end(&stream);
    return ok;
}

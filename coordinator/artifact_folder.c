/* artifact_folder: artifacts as files of one folder: tmp/NAME while they come, aa/HEX when they are
 * whole ("aa" = the first two digits). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/artifacts.h"

struct folder {
    char *root;
    char *tmp;
};

static void folder_close(void *self)
{
    struct folder *f = self;
    free(f->root);
    free(f->tmp);
    free(f);
}

static void *folder_open(const char *place, struct error *err)
{
    struct folder *f = xcalloc(1, sizeof *f);
    f->root = xstrdup(place);
    f->tmp = path_join(place, "tmp");
    if (path_make_folders(f->tmp, 0700, err)) return f;
    folder_close(f);
    return NULL;
}

char *artifacts_place(const char *folder, const struct digest *digest)
{
    char hex[DIGEST_TEXT_SIZE];
    digest_text(digest, hex);
    return xasprintf("%s/%.2s/%s", folder, hex, hex);
}

static char *final_path(const struct folder *f, const struct digest *digest)
{
    return artifacts_place(f->root, digest);
}

static bool folder_size(void *self, const char *upload, uint64_t *size_out, struct error *err)
{
    const struct folder *f = self;
    struct stat st;
    char *path = path_join(f->tmp, upload);
    bool ok = stat(path, &st) == 0;
    *size_out = ok ? (uint64_t)st.st_size : 0;
    if (!ok) ok = errno == ENOENT || error_set_errno(err, errno, "%s", path);
    free(path);
    return ok;
}

/* The file's length says how far an upload is: what did not fit as a whole is cut off again. */
static bool folder_write(void *self, const char *upload, uint64_t offset, const void *data,
                         size_t size, struct error *err)
{
    const struct folder *f = self;
    char *path = path_join(f->tmp, upload);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 || error_set_errno(err, errno, "%s", path);
    if (ok) {
        ok = path_write_at(fd, offset, data, size, path, err);
        if (!ok && ftruncate(fd, (off_t)offset) != 0)
            error_set_errno(err, errno, "cutting %s", path);
        close(fd);
    }
    free(path);
    return ok;
}

/* A sync that failed says so once: the next one is fine, for what the kernel could not write it
 * takes for written, and it still shows it to who reads. Nothing of such a file is to be believed,
 * after a restart either. By its descriptor, for another upload may have the name by now. */
static void empty(int fd, const char *path)
{
    if (ftruncate(fd, 0) != 0) unlink(path);
}

static bool folder_seal(void *self, const char *upload, struct digest *digest_out,
                        uint64_t *size_out, struct error *err)
{
    const struct folder *f = self;
    char *path = path_join(f->tmp, upload);
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 || error_set_errno(err, errno, "%s", path);
    if (ok) {
        ok = path_fsync_fd(fd, path, err) && digest_of_file(path, digest_out, size_out, err);
        if (!ok) empty(fd, path);
        close(fd);
    }
    free(path);
    return ok;
}

static bool folder_keep(void *self, const char *upload, const struct digest *digest,
                        struct error *err)
{
    const struct folder *f = self;
    char *from = path_join(f->tmp, upload);
    char *to = final_path(f, digest);
    char *folder = path_dirname(to);
    bool ok = path_make_folders(folder, 0700, err) && path_rename_durable(from, to, err);
    free(folder);
    free(from);
    free(to);
    return ok;
}

static void folder_discard(void *self, const char *upload)
{
    const struct folder *f = self;
    char *path = path_join(f->tmp, upload);
    unlink(path);
    free(path);
}

static bool folder_remove(void *self, const struct digest *digest, struct error *err)
{
    char *path = final_path(self, digest);
    bool ok = unlink(path) == 0 || errno == ENOENT || error_set_errno(err, errno, "%s", path);
    free(path);
    return ok;
}

static char *folder_path(void *self, const struct digest *digest)
{
    char *path = final_path(self, digest);
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

/* ---- listing ---- */

struct listing {
    void (*each)(void *context, const struct digest *digest, const char *upload,
                 uint64_t size_bytes, int64_t modified_ms);
    void *context;
};

static void list_one(const struct listing *l, const char *folder, const char *name, bool is_tmp)
{
    struct stat st;
    struct digest digest;
    char *path = path_join(folder, name);
    bool seen = lstat(path, &st) == 0 && S_ISREG(st.st_mode);
    free(path);
    if (!seen || (!is_tmp && !digest_parse(name, &digest))) return; /* not ours */
    int64_t modified_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
    l->each(l->context, is_tmp ? NULL : &digest, is_tmp ? name : NULL, (uint64_t)st.st_size,
            modified_ms);
}

static bool list_folder(const struct listing *l, const char *folder, bool is_tmp, struct error *err)
{
    char **names;
    size_t count;
    if (!path_list(folder, &names, &count, err)) return false;
    for (size_t i = 0; i < count; i++)
        list_one(l, folder, names[i], is_tmp);
    path_list_free(names, count);
    return true;
}

static bool is_hex_pair(const char *name)
{
    return strlen(name) == 2 && strspn(name, "0123456789abcdef") == 2;
}

static bool folder_list(void *self,
                        void (*each)(void *context, const struct digest *digest, const char *upload,
                                     uint64_t size_bytes, int64_t modified_ms),
                        void *context, struct error *err)
{
    const struct folder *f = self;
    const struct listing l = {each, context};
    char **names;
    size_t count;
    if (!list_folder(&l, f->tmp, true, err)) return false;
    if (!path_list(f->root, &names, &count, err)) return false;
    bool ok = true;
    for (size_t i = 0; i < count && ok; i++) {
        if (!is_hex_pair(names[i])) continue;
        char *folder = path_join(f->root, names[i]);
        ok = list_folder(&l, folder, false, err);
        free(folder);
    }
    path_list_free(names, count);
    return ok;
}

static bool folder_free_bytes(void *self, uint64_t *free_out, uint64_t *total_out,
                              struct error *err)
{
    const struct folder *f = self;
    return path_free_bytes(f->root, free_out, total_out, err);
}

const struct artifact_backend artifact_backend_folder = {
    .name = "folder",
    .open = folder_open,
    .close = folder_close,
    .size = folder_size,
    .write = folder_write,
    .seal = folder_seal,
    .keep = folder_keep,
    .discard = folder_discard,
    .remove = folder_remove,
    .path = folder_path,
    .list = folder_list,
    .free_bytes = folder_free_bytes,
};

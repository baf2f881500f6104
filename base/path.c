/* Files and folders: safe names, durable writes, locks. */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/id.h"
#include "base/mutation.h"
#include "base/xalloc.h"

#define PART_MAX_BYTES 255
#define READ_CHUNK_BYTES 65536

char *path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] != '/' ? "/" : "";
    return xasprintf("%s%s%s", folder, slash, name);
}

char *path_dirname(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) return xstrdup(".");
    if (slash == path) return xstrdup("/");
    return xstrndup(path, (size_t)(slash - path));
}

const char *path_basename(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool part_is_safe(const char *part, size_t size)
{
    if (size == 0 || size > PART_MAX_BYTES) return false;
    if (size == 1 && part[0] == '.') return false;
    if (size == 2 && part[0] == '.' && part[1] == '.') return false;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)part[i] < 0x20 || part[i] == 0x7f) return false;
    }
    return true;
}

bool path_is_safe_relative(const char *path)
{
    for (;;) {
        size_t size = strcspn(path, "/");
        if (!part_is_safe(path, size)) return false;
        if (path[size] == '\0') return true;
        path += size + 1;
    }
}

/* One part of the path after the other: the system follows links in all but the last. */
int path_open_below(const char *folder, const char *relative)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW;
    if (!path_is_safe_relative(relative)) {
        errno = EINVAL;
        return -1;
    }
    int at = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    for (const char *part = relative; at >= 0; part += strcspn(part, "/") + 1) {
        const size_t size = strcspn(part, "/");
        const bool last = part[size] == '\0';
        char *name = xstrndup(part, size);
        int next = openat(at, name, flags | (last ? O_NONBLOCK : O_DIRECTORY));
        const int reason = errno;
        free(name);
        (void)close(at);
        errno = reason;
        if (last) return next;
        at = next;
    }
    return -1;
}

bool path_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool path_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool path_fsync_fd(int fd, const char *path, struct error *err)
{
    if (mutated(MUTATION_NO_FSYNC) || fsync(fd) == 0) return true;
    if (errno == EINVAL || errno == ENOTSUP) return true; /* a file system without it */
    return error_set_errno(err, errno, "cannot sync %s", path);
}

static bool sync_path(const char *path, int flags, struct error *err)
{
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return error_set_errno(err, errno, "cannot open %s to sync it", path);
    bool ok = path_fsync_fd(fd, path, err);
    (void)close(fd);
    return ok;
}

bool path_fsync_file(const char *path, struct error *err)
{
    return sync_path(path, O_RDONLY, err);
}

bool path_fsync_folder(const char *folder, struct error *err)
{
    return sync_path(folder, O_RDONLY | O_DIRECTORY, err);
}

static bool sync_parent(const char *path, struct error *err)
{
    char *folder = path_dirname(path);
    bool ok = path_fsync_folder(folder, err);
    free(folder);
    return ok;
}

static bool make_folder(const char *path, mode_t mode, struct error *err)
{
    if (mkdir(path, mode) == 0) {
        if (sync_parent(path, err)) return true;
        (void)rmdir(path); /* or the next one to ask would take it for durable */
        return false;
    }
    int reason = errno;
    if (path_is_folder(path)) return true;
    return error_set_errno(err, reason, "cannot make the folder %s", path);
}

bool path_make_folders(const char *path, mode_t mode, struct error *err)
{
    char *copy = xstrdup(path);
    bool ok = true;
    for (char *slash = copy; ok && *slash != '\0';) {
        slash += strspn(slash, "/");
        slash += strcspn(slash, "/");
        char kept = *slash;
        *slash = '\0';
        ok = make_folder(copy, mode, err);
        *slash = kept;
    }
    free(copy);
    return ok;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool remove_at(int parent, const char *name, struct error *err);

/* Takes `fd`. */
static bool remove_children(int fd, const char *name, struct error *err)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        (void)error_set_errno(err, errno, "cannot read the folder %s", name);
        (void)close(fd);
        return false;
    }
    bool ok = true;
    struct dirent *entry = NULL;
    while (ok && (entry = readdir(folder)) != NULL) {
        if (!is_dots(entry->d_name)) ok = remove_at(dirfd(folder), entry->d_name, err);
    }
    (void)closedir(folder);
    return ok;
}

static bool remove_at(int parent, const char *name, struct error *err)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !remove_children(fd, name, err)) return false;
    if (unlinkat(parent, name, fd >= 0 ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT) return true;
    return error_set_errno(err, errno, "cannot remove %s", name);
}

bool path_remove_tree(const char *path, struct error *err)
{
    return remove_at(AT_FDCWD, path, err);
}

static bool read_fd(int fd, size_t limit_bytes, const char *path, struct buf *out,
                    struct error *err)
{
    size_t start = out->size;
    for (;;) {
        size_t had = out->size - start;
        size_t want = READ_CHUNK_BYTES;
        if (limit_bytes - had < want) want = limit_bytes - had + 1; /* one past shows "too large" */
        buf_reserve(out, want);
        ssize_t got = read(fd, out->data + out->size, want);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return error_set_errno(err, errno, "cannot read %s", path);
        if (got == 0) break;
        if ((size_t)got > limit_bytes - had) {
            return error_set(err, ERROR_REFUSED, "%s is larger than %zu bytes", path, limit_bytes);
        }
        out->size += (size_t)got;
    }
    out->data[out->size] = 0;
    return true;
}

void path_touch(const char *path)
{
    (void)utimensat(AT_FDCWD, path, NULL, 0);
}

static uint64_t folder_bytes(const char *folder)
{
    char **names;
    size_t count;
    uint64_t sum = 0;
    if (!path_list(folder, &names, &count, NULL)) return 0;
    for (size_t i = 0; i < count; i++) {
        char *path = path_join(folder, names[i]);
        sum += path_tree_bytes(path);
        free(path);
    }
    path_list_free(names, count);
    return sum;
}

uint64_t path_tree_bytes(const char *path)
{
    struct stat info;
    if (lstat(path, &info) != 0) return 0;
    if (S_ISDIR(info.st_mode)) return folder_bytes(path);
    return S_ISREG(info.st_mode) ? (uint64_t)info.st_size : 0;
}

bool path_read(const char *path, size_t limit_bytes, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return error_set(err, ERROR_NOT_FOUND, "there is no file %s", path);
    }
    if (fd < 0) return error_set_errno(err, errno, "cannot open %s", path);
    size_t start = out->size;
    bool ok = read_fd(fd, limit_bytes, path, out, err);
    if (!ok) {
        out->size = start;
        if (out->data != NULL) out->data[start] = 0;
    }
    (void)close(fd);
    return ok;
}

bool path_write_fd(int fd, const void *data, size_t size_bytes, const char *what, struct error *err)
{
    const uint8_t *rest = data;
    while (size_bytes > 0) {
        ssize_t done = write(fd, rest, size_bytes);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return error_set_errno(err, errno, "cannot write %s", what);
        rest += done;
        size_bytes -= (size_t)done;
    }
    return true;
}

bool path_write_at(int fd, uint64_t offset, const void *data, size_t size_bytes, const char *words,
                   struct error *err)
{
    const uint8_t *rest = data;
    while (size_bytes > 0) {
        ssize_t done = pwrite(fd, rest, size_bytes, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return error_set_errno(err, errno, "%s", words);
        rest += done;
        offset += (uint64_t)done;
        size_bytes -= (size_t)done;
    }
    return true;
}

static bool write_new_file(const char *path, const void *data, size_t size_bytes, mode_t mode,
                           bool synced, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) return error_set_errno(err, errno, "cannot create %s", path);
    bool ok = path_write_fd(fd, data, size_bytes, path, err);
    ok = ok && (!synced || path_fsync_fd(fd, path, err));
    if (close(fd) != 0 && ok) ok = error_set_errno(err, errno, "cannot close %s", path);
    if (!ok) (void)unlink(path);
    return ok;
}

/* The name is kept short enough for a part even when the target's own name is at the limit. */
static char *temporary_beside(const char *path)
{
    char *folder = path_dirname(path);
    char *name = xasprintf(".%.200s.tmp.%ld.%016" PRIx64, path_basename(path), (long)getpid(),
                           id_random_u64());
    char *joined = path_join(folder, name);
    free(folder);
    free(name);
    return joined;
}

static bool write_beside(const char *path, const void *data, size_t size_bytes, mode_t mode,
                         bool synced, struct error *err)
{
    char *temporary = temporary_beside(path);
    bool ok = write_new_file(temporary, data, size_bytes, mode, synced, err);
    if (ok && rename(temporary, path) != 0) {
        ok = error_set_errno(err, errno, "cannot rename %s to %s", temporary, path);
        (void)unlink(temporary);
    }
    free(temporary);
    return ok;
}

bool path_write_atomic(const char *path, const void *data, size_t size_bytes, mode_t mode,
                       struct error *err)
{
    return write_beside(path, data, size_bytes, mode, true, err) && sync_parent(path, err);
}

bool path_write_expendable(const char *path, const void *data, size_t size_bytes, mode_t mode,
                           struct error *err)
{
    return write_beside(path, data, size_bytes, mode, false, err);
}

bool path_rename_durable(const char *from, const char *to, struct error *err)
{
    if (rename(from, to) != 0) {
        return error_set_errno(err, errno, "cannot rename %s to %s", from, to);
    }
    return sync_parent(to, err) && sync_parent(from, err);
}

bool path_free_bytes(const char *path, uint64_t *free_out, uint64_t *total_out, struct error *err)
{
    struct statvfs info;
    if (statvfs(path, &info) != 0) {
        return error_set_errno(err, errno, "cannot ask for the free space at %s", path);
    }
    *free_out = (uint64_t)info.f_bavail * (uint64_t)info.f_frsize;
    *total_out = (uint64_t)info.f_blocks * (uint64_t)info.f_frsize;
    return true;
}

int path_lock(const char *path, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)error_set_errno(err, errno, "cannot open the lock file %s", path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno == EWOULDBLOCK) {
        (void)error_set(err, ERROR_STATE, "%s is locked by another process", path);
    } else {
        (void)error_set_errno(err, errno, "cannot lock %s", path);
    }
    (void)close(fd);
    return -1;
}

/* The XDG base directory rules: a relative value counts as unset. */
static char *user_folder(const char *variable, const char *below_home, const char *name,
                         struct error *err)
{
    const char *base = getenv(variable);
    if (base != NULL && base[0] == '/') return path_join(base, name);
    const char *home = getenv("HOME");
    if (home == NULL || home[0] == '\0') {
        (void)error_set(err, ERROR_USAGE, "neither HOME nor %s is set", variable);
        return NULL;
    }
    return xasprintf("%s/%s/%s", home, below_home, name);
}

char *path_user_state(const char *name, struct error *err)
{
    return user_folder("XDG_STATE_HOME", ".local/state", name, err);
}

char *path_user_config(const char *name, struct error *err)
{
    return user_folder("XDG_CONFIG_HOME", ".config", name, err);
}

char *path_own_folder(void)
{
    char own[4096];
    ssize_t length = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (length <= 0) return xstrdup(".");
    own[length] = '\0';
    return path_dirname(own);
}

static int compare_names(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

bool path_list(const char *folder, char ***names_out, size_t *count_out, struct error *err)
{
    *names_out = NULL;
    *count_out = 0;
    DIR *open_folder = opendir(folder);
    if (open_folder == NULL && errno == ENOENT) {
        return error_set(err, ERROR_NOT_FOUND, "there is no folder %s", folder);
    }
    if (open_folder == NULL) {
        return error_set_errno(err, errno, "cannot read the folder %s", folder);
    }
    char **names = NULL;
    size_t count = 0;
    size_t capacity = 0;
    struct dirent *entry = NULL;
    while ((entry = readdir(open_folder)) != NULL) {
        if (is_dots(entry->d_name)) continue;
        if (count == capacity) {
            capacity = capacity > 0 ? capacity * 2 : 16;
            names = xrealloc_array(names, capacity, sizeof(*names));
        }
        names[count++] = xstrdup(entry->d_name);
    }
    (void)closedir(open_folder);
    if (count > 1) qsort(names, count, sizeof(*names), compare_names);
    *names_out = names;
    *count_out = count;
    return true;
}

void path_list_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(names[i]);
    }
    free(names);
}

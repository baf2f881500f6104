#include "base/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static bool map(struct file_map *m, int fd, const char *path, size_t least, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return error_set_errno(err, errno, "%s", path);
    if (!S_ISREG(info.st_mode)) return error_set(err, ERROR_INVALID, "%s: not a file", path);
    if ((uint64_t)info.st_size < least)
        return error_set(err, ERROR_INVALID, "%s: %lld bytes are too short for a file of tensors",
                         path, (long long)info.st_size);
    void *data = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED) return error_set_errno(err, errno, "%s", path);
    *m = (struct file_map){data, (size_t)info.st_size};
    return true;
}

bool file_map_open(struct file_map *m, const char *path, size_t least_bytes, struct error *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    memset(m, 0, sizeof *m);
    if (fd < 0)
        return errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "%s: no such file", path)
                               : error_set_errno(err, errno, "%s", path);
    const bool ok = map(m, fd, path, least_bytes, err);
    close(fd);
    return ok;
}

void file_map_close(struct file_map *m)
{
    if (m->data != NULL) munmap((void *)(uintptr_t)m->data, m->size_bytes);
    memset(m, 0, sizeof *m);
}

/* sync_shim: a disk that loses what it took (LD_PRELOAD). The first fsync of a file whose path
 * holds the text ZOE_SYNC_FAILS gives EIO, and as on Linux no later one does. ZOE_SYNC_LOG names a
 * file that gets a line for each write and sync of such files: `write`, `lost` or `sync`. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_watched(int fd)
{
    char link[64], path[PATH_MAX];
    const char *part = getenv("ZOE_SYNC_FAILS");
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = part != NULL ? readlink(link, path, sizeof path - 1) : -1;
    if (size <= 0) return false;
    path[size] = '\0';
    return strstr(path, part) != NULL;
}

static void note(const char *line)
{
    const char *path = getenv("ZOE_SYNC_LOG");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    if (syscall(SYS_write, fd, line, strlen(line)) < 0) abort();
    (void)close(fd);
}

int fsync(int fd)
{
    static bool failed;
    bool watched = is_watched(fd);
    if (watched && !__atomic_test_and_set(&failed, __ATOMIC_RELAXED)) {
        note("lost\n");
        errno = EIO;
        return -1;
    }
    if (watched) note("sync\n");
    return (int)syscall(SYS_fsync, fd);
}

ssize_t write(int fd, const void *data, size_t size)
{
    if (is_watched(fd)) note("write\n");
    return syscall(SYS_write, fd, data, size);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    if (is_watched(fd)) note("write\n");
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

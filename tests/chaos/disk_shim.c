/* disk_shim: a disk that is full, or slow, when a test says so (LD_PRELOAD). ZOE_DISK_SWITCHES
 * names a folder: while it holds a file `full`, nothing can be written to the database's log; while
 * it holds a file `held`, whoever unlinks a video waits. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_US 1000

static bool is_on(const char *name)
{
    char path[PATH_MAX];
    const char *switches = getenv("ZOE_DISK_SWITCHES");
    if (switches == NULL) return false;
    (void)snprintf(path, sizeof(path), "%s/%s", switches, name);
    return access(path, F_OK) == 0;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool is_log(int fd)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof(path) - 1);
    if (length <= 0) return false;
    path[length] = '\0';
    return ends_with(path, "farm.db-wal");
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    if (is_on("full") && is_log(fd)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, data, size, offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return pwrite64(fd, data, size, offset);
}

int unlinkat(int folder, const char *name, int flags)
{
    while (ends_with(name, ".mp4") && is_on("held"))
        (void)usleep(LOOK_US);
    return (int)syscall(SYS_unlinkat, folder, name, flags);
}

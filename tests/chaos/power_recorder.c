#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "power_recorder.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LOG_FD_MIN 3000
#define MAGIC UINT32_C(0x5257505a)

pthread_mutex_t recorder_lock = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static char root[PATH_MAX];
static size_t root_size;
static long sync_us;
static _Atomic uint64_t tokens;

/* ---- the log ---- */

long raw_call(long number, long a, long b, long c, long d, long e)
{
    return syscall(number, a, b, c, d, e, 0L);
}

static void die(const char *what)
{
    static const char nl[] = "\n";
    (void)!write(STDERR_FILENO, what, strlen(what));
    (void)!write(STDERR_FILENO, nl, 1);
    abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *log = getenv("ZOE_POWER_LOG"), *folder = getenv("ZOE_POWER_ROOT");
    const char *slow = getenv("ZOE_POWER_SYNC_US");
    if (log == NULL || folder == NULL) return;
    root_size = (size_t)snprintf(root, sizeof(root), "%s/", folder);
    sync_us = slow != NULL ? strtol(slow, NULL, 10) : 0;
    tokens = (uint64_t)getpid() << 32;
    long fd = raw_call(SYS_openat, AT_FDCWD, (long)log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
                       0600, 0);
    if (fd < 0) die("power_shim: the log cannot be opened");
    log_fd = (int)raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, LOG_FD_MIN, 0, 0);
    if (log_fd < 0) log_fd = (int)raw_call(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 200, 0, 0);
    (void)raw_call(SYS_close, fd, 0, 0, 0, 0);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    (void)raw_call(SYS_clock_gettime, CLOCK_MONOTONIC, (long)&t, 0, 0, 0);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void recorder_put(struct record r, const char *name, const void *data)
{
    r.magic = MAGIC;
    r.stamp_ns = now_ns();
    r.pid = (uint32_t)getpid();
    r.name_size = name != NULL ? (uint32_t)strlen(name) : 0;
    const struct iovec parts[] = {{&r, sizeof(r)},
                                  {(void *)(uintptr_t)name, r.name_size},
                                  {(void *)(uintptr_t)data, r.data_size}};
    size_t size = sizeof(r) + r.name_size + r.data_size;
    if (raw_call(SYS_writev, log_fd, (long)parts, 3, 0, 0) != (long)size)
        die("power_shim: the log is lost");
}

bool recorder_on(void)
{
    return log_fd >= 0;
}

bool recorder_owns(int fd)
{
    return fd >= 0 && fd == log_fd;
}

long recorder_sync_us(void)
{
    return sync_us;
}

uint64_t recorder_token(void)
{
    return atomic_fetch_add(&tokens, 1) + 1;
}

/* ---- which files ---- */

bool recorder_find(int folder, const char *path, char full[PATH_MAX])
{
    char place[PATH_MAX], real[PATH_MAX];
    if (!recorder_on() || path == NULL) return false;
    if (path[0] == '/') {
        (void)snprintf(place, sizeof(place), "%s", path);
    } else {
        char link[64];
        (void)snprintf(link, sizeof(link),
                       folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t size = readlink(link, real, sizeof(real) - 1);
        if (size < 0) return false;
        real[size] = '\0';
        if (snprintf(place, sizeof(place), "%s/%s", real, path) >= (int)sizeof(place)) return false;
    }
    char copy[PATH_MAX], copy2[PATH_MAX];
    memcpy(copy, place, sizeof(copy));
    memcpy(copy2, place, sizeof(copy2));
    if (realpath(dirname(copy), real) == NULL) return false;
    if (snprintf(full, PATH_MAX, "%s/%s", real, basename(copy2)) >= PATH_MAX) return false;
    bool is_root = strncmp(full, root, root_size - 1) == 0 && full[root_size - 1] == '\0';
    return is_root || strncmp(full, root, root_size) == 0;
}

uint64_t recorder_inode(const char *full)
{
    struct stat info;
    return raw_call(SYS_newfstatat, AT_FDCWD, (long)full, (long)&info, AT_SYMLINK_NOFOLLOW, 0) == 0
               ? info.st_ino
               : 0;
}

bool recorder_look(int fd, struct stat *info)
{
    return raw_call(SYS_newfstatat, fd, (long)"", (long)info, AT_EMPTY_PATH, 0) == 0;
}

uint64_t recorder_parent(const char *full)
{
    char copy[PATH_MAX];
    (void)snprintf(copy, sizeof(copy), "%s", full);
    const char *folder = dirname(copy);
    struct record r = {
        .kind = KIND_FOLDER, .ino = recorder_inode(folder), .data_size = (uint32_t)strlen(folder)};
    recorder_put(r, NULL, folder);
    return r.ino;
}

const char *recorder_name(const char *full)
{
    return strrchr(full, '/') + 1;
}

void recorder_put_entry(enum kind kind, const char *full, uint64_t ino)
{
    struct record r = {.kind = kind, .ino = ino, .parent = recorder_parent(full)};
    recorder_put(r, recorder_name(full), NULL);
}

/* power_shim: what a program does to its files, written down (LD_PRELOAD), so that a power cut at
 * any point of it can be rebuilt: see power_log.py, which reads this.
 *
 * ZOE_POWER_LOG names the log, to which all processes append; ZOE_POWER_ROOT the folder whose files
 * matter (a real path). ZOE_POWER_SYNC_US makes each sync take so much longer: a slow disk.
 * Every record names inodes, not paths, because folders are renamed too. Operation and record are
 * one step under a lock, so that the log has the order in which things happened; of a sync there
 * are two records, and what was written before the first is durable at the second.
 *
 * The calls are made as system calls, past the functions of libc: so this works in front of the
 * sanitizers' libraries too. Maps for writing are not seen; only SQLite's -shm is mapped so, which
 * means nothing after a power cut. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "power_recorder.h"

#define FDS 4096

static _Atomic uint64_t inode_of[FDS]; /* 0: not ours */

/* ---- files ---- */

static bool ours(int fd, struct stat *info)
{
    if (!recorder_on() || fd < 0 || fd >= FDS || inode_of[fd] == 0) return false;
    return recorder_look(fd, info) && info->st_ino == inode_of[fd];
}

static void remember(long fd)
{
    struct stat info;
    if (fd >= 0 && fd < FDS && recorder_look((int)fd, &info)) inode_of[fd] = info.st_ino;
}

/* First as if it were new, to learn whether it is. */
static long open_or_create(int folder, const char *path, int flags, mode_t mode, const char *full)
{
    long fd = raw_call(SYS_openat, folder, (long)path, flags | O_EXCL, mode, 0);
    if (fd >= 0) {
        struct stat info;
        (void)recorder_look((int)fd, &info);
        recorder_put_entry(KIND_CREATE, full, info.st_ino);
        return fd;
    }
    if (errno != EEXIST || (flags & O_EXCL) != 0) return fd;
    return raw_call(SYS_openat, folder, (long)path, flags, mode, 0);
}

static int open_file(int folder, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    bool known = (flags & O_TMPFILE) != O_TMPFILE && recorder_find(folder, path, full);
    if (!known) {
        long fd = raw_call(SYS_openat, folder, (long)path, flags, mode, 0);
        if (fd >= 0 && fd < FDS) inode_of[fd] = 0;
        return (int)fd;
    }
    (void)pthread_mutex_lock(&recorder_lock);
    long fd = (flags & O_CREAT) != 0 ? open_or_create(folder, path, flags, mode, full)
                                     : raw_call(SYS_openat, folder, (long)path, flags, mode, 0);
    int kept = errno;
    remember(fd);
    if (fd >= 0 && (flags & O_TRUNC) != 0)
        recorder_put((struct record){.kind = KIND_TRUNCATE, .ino = inode_of[fd]}, NULL, NULL);
    (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return (int)fd;
}

#define OPEN_MODE(flags, mode)                                                                     \
    do {                                                                                           \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        if (((flags) & (O_CREAT | O_TMPFILE)) != 0) (mode) = va_arg(rest, mode_t);                 \
        va_end(rest);                                                                              \
    } while (0)

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_file(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_file(AT_FDCWD, path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_file(folder, path, flags, mode);
}

int openat64(int folder, const char *path, int flags, ...)
{
    mode_t mode = 0;
    OPEN_MODE(flags, mode);
    return open_file(folder, path, flags, mode);
}

int close(int fd)
{
    if (recorder_owns(fd)) return 0; /* of somebody who closes all */
    if (fd >= 0 && fd < FDS) inode_of[fd] = 0;
    return (int)raw_call(SYS_close, fd, 0, 0, 0, 0);
}

static ssize_t wrote(const struct stat *info, const void *data, long done, int64_t offset)
{
    int kept = errno;
    if (done > 0) {
        struct record r = {.kind = KIND_WRITE,
                           .ino = info->st_ino,
                           .offset = (uint64_t)offset,
                           .data_size = (uint32_t)done};
        recorder_put(r, NULL, data);
    }
    (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return done;
}

ssize_t write(int fd, const void *data, size_t size)
{
    struct stat info;
    if (!ours(fd, &info)) return raw_call(SYS_write, fd, (long)data, (long)size, 0, 0);
    (void)pthread_mutex_lock(&recorder_lock);
    long done = raw_call(SYS_write, fd, (long)data, (long)size, 0, 0);
    int64_t end = done > 0 ? raw_call(SYS_lseek, fd, 0, SEEK_CUR, 0, 0) : 0;
    return wrote(&info, data, done, end - done);
}

static ssize_t write_at(int fd, const void *data, size_t size, off_t offset)
{
    struct stat info;
    if (!ours(fd, &info)) return raw_call(SYS_pwrite64, fd, (long)data, (long)size, offset, 0);
    (void)pthread_mutex_lock(&recorder_lock);
    return wrote(&info, data, raw_call(SYS_pwrite64, fd, (long)data, (long)size, offset, 0),
                 offset);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
    return write_at(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
    return write_at(fd, data, size, offset);
}

static int cut_to(int fd, off_t size)
{
    struct stat info;
    if (!ours(fd, &info)) return (int)raw_call(SYS_ftruncate, fd, size, 0, 0, 0);
    (void)pthread_mutex_lock(&recorder_lock);
    int result = (int)raw_call(SYS_ftruncate, fd, size, 0, 0, 0);
    int kept = errno;
    if (result == 0)
        recorder_put(
            (struct record){.kind = KIND_TRUNCATE, .ino = info.st_ino, .offset = (uint64_t)size},
            NULL, NULL);
    (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return result;
}

int ftruncate(int fd, off_t size)
{
    return cut_to(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return cut_to(fd, size);
}

static void mark_sync(enum kind kind, uint64_t ino, uint64_t token)
{
    (void)pthread_mutex_lock(&recorder_lock);
    recorder_put((struct record){.kind = kind, .ino = ino, .offset = token}, NULL, NULL);
    (void)pthread_mutex_unlock(&recorder_lock);
}

/* Not under the lock: what others write meanwhile is not covered. */
static int sync_now(long number, int fd)
{
    struct stat info;
    if (!ours(fd, &info)) return (int)raw_call(number, fd, 0, 0, 0, 0);
    uint64_t token = recorder_token();
    long sync_us = recorder_sync_us();
    mark_sync(KIND_SYNC_BEGIN, info.st_ino, token);
    const struct timespec slow = {sync_us / 1000000, sync_us % 1000000 * 1000};
    if (sync_us > 0) (void)raw_call(SYS_nanosleep, (long)&slow, 0, 0, 0, 0);
    int result = (int)raw_call(number, fd, 0, 0, 0, 0);
    int kept = errno;
    if (result == 0) mark_sync(KIND_SYNC_END, info.st_ino, token);
    errno = kept;
    return result;
}

int fsync(int fd)
{
    return sync_now(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return sync_now(SYS_fdatasync, fd);
}

/* ---- folders ---- */

static int move(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    char old[PATH_MAX], new[PATH_MAX];
    bool known = recorder_find(from_folder, from, old) && recorder_find(to_folder, to, new);
    if (!known)
        return (int)raw_call(SYS_renameat2, from_folder, (long)from, to_folder, (long)to, flags);
    (void)pthread_mutex_lock(&recorder_lock);
    struct record r = {.kind = KIND_RENAME,
                       .ino = recorder_inode(old),
                       .parent = recorder_parent(old),
                       .other = recorder_parent(new)};
    int result = (int)raw_call(SYS_renameat2, from_folder, (long)from, to_folder, (long)to, flags);
    int kept = errno;
    r.data_size = (uint32_t)strlen(recorder_name(new));
    if (result == 0) recorder_put(r, recorder_name(old), recorder_name(new));
    (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return result;
}

int rename(const char *from, const char *to)
{
    return move(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return move(from_folder, from, to_folder, to, 0);
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
    return move(from_folder, from, to_folder, to, flags);
}

int link(const char *from, const char *to)
{
    char full[PATH_MAX];
    bool known = recorder_find(AT_FDCWD, to, full);
    if (known) (void)pthread_mutex_lock(&recorder_lock);
    int result = (int)raw_call(SYS_linkat, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0);
    int kept = errno;
    if (known && result == 0) recorder_put_entry(KIND_LINK, full, recorder_inode(full));
    if (known) (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return result;
}

static int take_away(int folder, const char *path, int flags)
{
    char full[PATH_MAX];
    bool known = recorder_find(folder, path, full);
    if (!known) return (int)raw_call(SYS_unlinkat, folder, (long)path, flags, 0, 0);
    (void)pthread_mutex_lock(&recorder_lock);
    uint64_t ino = recorder_inode(full);
    int result = (int)raw_call(SYS_unlinkat, folder, (long)path, flags, 0, 0);
    int kept = errno;
    if (result == 0)
        recorder_put_entry((flags & AT_REMOVEDIR) != 0 ? KIND_RMDIR : KIND_UNLINK, full, ino);
    (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return result;
}

int unlink(const char *path)
{
    return take_away(AT_FDCWD, path, 0);
}

int unlinkat(int folder, const char *path, int flags)
{
    return take_away(folder, path, flags);
}

int rmdir(const char *path)
{
    return take_away(AT_FDCWD, path, AT_REMOVEDIR);
}

int mkdir(const char *path, mode_t mode)
{
    char full[PATH_MAX];
    bool known = recorder_find(AT_FDCWD, path, full);
    if (known) (void)pthread_mutex_lock(&recorder_lock);
    int result = (int)raw_call(SYS_mkdirat, AT_FDCWD, (long)path, mode, 0, 0);
    int kept = errno;
    if (known && result == 0) recorder_put_entry(KIND_MKDIR, full, recorder_inode(full));
    if (known) (void)pthread_mutex_unlock(&recorder_lock);
    errno = kept;
    return result;
}

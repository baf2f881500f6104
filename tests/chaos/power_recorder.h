/* power_recorder: the log of power_shim, to which all recorded processes append, and which files
 * matter. power_log.py reads it.
 *
 * Paths are absolute ones that recorder_find made; inodes are 0 where there is none. Whoever does
 * something and records it does both under recorder_lock, so that the log has the order in which
 * things happened; only syncs take time outside of it. */
#ifndef ZOE_CHAOS_POWER_RECORDER_H
#define ZOE_CHAOS_POWER_RECORDER_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum kind {
    KIND_CREATE = 1, /* parent, ino, name */
    KIND_WRITE,      /* ino, offset, data */
    KIND_TRUNCATE,   /* ino, offset = size */
    KIND_SYNC_BEGIN, /* ino, offset = token */
    KIND_SYNC_END,   /* ino, offset = token */
    KIND_RENAME,     /* parent, name; other = parent of the target; data = its name; ino */
    KIND_LINK,       /* parent, name: the new one; ino */
    KIND_UNLINK,     /* parent, name, ino */
    KIND_MKDIR,      /* parent, name, ino */
    KIND_RMDIR,      /* parent, name, ino */
    KIND_FOLDER,     /* ino; data = path: a folder that was there before anybody looked */
};

struct record {
    uint32_t magic, kind;
    uint64_t stamp_ns, ino, parent, other, offset;
    uint32_t name_size, data_size, pid, reserved;
};

/* The program that is recorded must not meet these. */
#pragma GCC visibility push(hidden)

extern pthread_mutex_t recorder_lock;

/* A system call, past the functions of libc, which are ours. */
long raw_call(long number, long a, long b, long c, long d, long e);

/* Is anything recorded in this process? */
bool recorder_on(void);

/* Is this the log's? It must not be closed. */
bool recorder_owns(int fd);

/* How much longer each sync takes. */
long recorder_sync_us(void);

/* Of a sync; no other one of any process has it. */
uint64_t recorder_token(void);

/* Appends; stamp, process and sizes of the name are filled in. Aborts when the log is lost. */
void recorder_put(struct record r, const char *name, const void *data);

/* A change of names in the folder of `full`. */
void recorder_put_entry(enum kind kind, const char *full, uint64_t ino);

/* The absolute path, its folder's links followed; false: neither the root nor below it. */
bool recorder_find(int folder, const char *path, char full[PATH_MAX]);

uint64_t recorder_inode(const char *full);
bool recorder_look(int fd, struct stat *info);

/* Of the folder that holds `full`. The reader learns its path, in case nobody saw it made. */
uint64_t recorder_parent(const char *full);

/* The last part. */
const char *recorder_name(const char *full);

#pragma GCC visibility pop

#endif

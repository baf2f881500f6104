/* fuzz_folder: a folder of this process for parsers that read files; it goes with the process. */
#ifndef ZOE_TESTS_FUZZ_FOLDER_H
#define ZOE_TESTS_FUZZ_FOLDER_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"

static char fuzz_folder_path[] = "/tmp/zoe-fuzz-XXXXXX";

static inline void fuzz_folder_remove(void)
{
    (void)path_remove_tree(fuzz_folder_path, NULL);
}

static inline const char *fuzz_folder(void)
{
    static const char *made;
    if (made != NULL) return made;
    made = mkdtemp(fuzz_folder_path);
    ZOE_ASSERT(made != NULL && atexit(fuzz_folder_remove) == 0);
    return made;
}

/* Replaces FOLDER/name. A new file each time: ext4 writes one that was truncated to the disk before
 * it closes it, and a parser of small files then waits for nothing else. */
static inline void fuzz_put(const char *name, const uint8_t *data, size_t size)
{
    char *path = path_join(fuzz_folder(), name);
    (void)unlink(path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ZOE_ASSERT(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    (void)close(fd);
    free(path);
}

/* FOLDER/name shows what stands at `target`. */
static inline void fuzz_link(const char *name, const char *target)
{
    char *path = path_join(fuzz_folder(), name), *parent = path_dirname(path);
    ZOE_ASSERT(path_make_folders(parent, 0700, NULL));
    (void)unlink(path);
    ZOE_ASSERT(symlink(target, path) == 0);
    free(parent);
    free(path);
}

#endif

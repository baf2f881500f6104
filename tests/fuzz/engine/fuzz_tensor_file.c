/* A file of tensors of any format from outside: every entry can be read to its last element, or
 * says why not. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/xalloc.h"
#include "engine/file/tensor_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECE 512

static void touch(struct tensor_file *f)
{
    unsigned char piece[PIECE * 8];
    for (int i = 0; i < tensor_file_count(f); i++) {
        const struct tensor_entry *e = tensor_file_at(f, i);
        struct error err = {0};
        ZOE_ASSERT(tensor_file_find(f, e->name) == e);
        for (int64_t at = 0; e->problem == NULL && at < e->count; at += PIECE) {
            const int64_t count = e->count - at < PIECE ? e->count - at : PIECE;
            ZOE_ASSERT(tensor_entry_read(e, at, count, piece, &err));
        }
        const void *data = tensor_file_data(f, e, &err);
        ZOE_ASSERT((data != NULL) == (e->problem == NULL));
        ZOE_ASSERT(data != NULL || err.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    struct error err = {0};
    const int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        struct tensor_file *f = tensor_file_open(path, &err);
        if (f != NULL)
            touch(f);
        else
            ZOE_ASSERT(err.code != ERROR_NONE && err.message[0] != '\0');
        tensor_file_close(f);
    }
    close(fd);
    return 0;
}

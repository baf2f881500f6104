/* A weights file from outside: what is taken can be read to the last byte of every entry. */
#define _GNU_SOURCE /* memfd_create */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/safetensors.h"
#include "base/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void touch(const struct safetensors *s)
{
    for (int i = 0; i < safetensors_count(s); i++) {
        const struct safetensors_entry *e = safetensors_at(s, i);
        const volatile unsigned char *bytes = e->data; /* or nothing would be read at all */
        ZOE_ASSERT(safetensors_find(s, e->name) == e);
        for (size_t at = 0; at < e->size_bytes; at++)
            (void)bytes[at];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[32];
    const int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        struct safetensors *s = safetensors_open(path, NULL);
        if (s != NULL) touch(s);
        safetensors_close(s);
    }
    close(fd);
    return 0;
}

#include "cli/sync_probe.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

#define BLOCK_BYTES 4096

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static int time_syncs(int fd, int (*sync)(int fd), int count, int64_t *took_ns)
{
    char block[BLOCK_BYTES] = "zoe";
    for (int i = 0; i < count; i++) {
        const int64_t begun_ns = clock_now_ns();
        block[0] = (char)i;
        if (pwrite(fd, block, sizeof block, (off_t)i * BLOCK_BYTES) != BLOCK_BYTES || sync(fd) != 0)
            return i;
        took_ns[i] = clock_now_ns() - begun_ns;
    }
    return count;
}

int sync_probe(const char *folder, int (*sync)(int fd), int count, int64_t *median_ns)
{
    int64_t took_ns[SYNC_PROBE_MAX];
    int done = 0;
    ZOE_ASSERT(count <= SYNC_PROBE_MAX);
    char *path = xasprintf("%s/.zoe-sync-XXXXXX", folder);
    const int fd = mkstemp(path);
    if (fd >= 0) {
        done = time_syncs(fd, sync, count, took_ns);
        (void)close(fd);
        (void)unlink(path);
    }
    qsort(took_ns, (size_t)done, sizeof *took_ns, compare);
    *median_ns = done > 0 ? took_ns[done / 2] : 0;
    free(path);
    return done;
}

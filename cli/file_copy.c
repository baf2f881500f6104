/* copy_file_range is Linux's own. */
#define _GNU_SOURCE
#include "cli/file_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"

#define COPY_CHUNK_BYTES (8 * 1024 * 1024)

/* The kernel shares the blocks where the file system can. */
static bool copy_bytes(int from, int to, uint64_t size, const char *what, struct error *err)
{
    while (size > 0) {
        size_t chunk = size < COPY_CHUNK_BYTES ? (size_t)size : COPY_CHUNK_BYTES;
        ssize_t n = copy_file_range(from, NULL, to, NULL, chunk, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_errno(err, errno, "cannot copy %s", what);
        if (n == 0) return error_set(err, ERROR_IO, "%s became shorter while it was copied", what);
        size -= (uint64_t)n;
    }
    return true;
}

/* Between file systems that cannot: by hand. */
static bool copy_by_hand(int from, int to, uint64_t size, const char *what, struct error *err)
{
    char *chunk = xmalloc(1024 * 1024);
    ssize_t n = 1;
    bool ok = lseek(from, 0, SEEK_SET) == 0 && ftruncate(to, 0) == 0 && lseek(to, 0, SEEK_SET) == 0;
    while (ok && size > 0 && (n = read(from, chunk, 1024 * 1024)) > 0) {
        ok = path_write_fd(to, chunk, (size_t)n, what, err);
        size -= (uint64_t)n < size ? (uint64_t)n : size;
    }
    free(chunk);
    if (ok && size > 0) return error_set(err, ERROR_IO, "cannot read all of %s", what);
    return ok;
}

bool file_copy(const char *from, const char *to, uint64_t size_bytes, struct error *err)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) return error_set_errno(err, errno, "cannot read %s", from);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool ok = out >= 0 || error_set_errno(err, errno, "cannot write %s", to);
    if (ok && !copy_bytes(in, out, size_bytes, from, err))
        ok = err->code != ERROR_FULL && copy_by_hand(in, out, size_bytes, from, err);
    ok = ok && (fsync(out) == 0 || error_set_errno(err, errno, "fsync %s", to));
    if (out >= 0) close(out);
    close(in);
    return ok;
}

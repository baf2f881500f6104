#include "cli/child_output.h"

#include <errno.h>
#include <unistd.h>

void child_output_read(int fd, size_t limit_bytes, struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR) return;
        if (n > 0 && out->size + (size_t)n <= limit_bytes) buf_append(out, chunk, (size_t)n);
    }
}

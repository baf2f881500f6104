#include "worker/read_at.h"

#include <errno.h>
#include <unistd.h>

bool read_at(int fd, uint64_t offset, void *out, uint32_t size, struct error *err)
{
    uint32_t got = 0;
    while (got < size) {
        ssize_t n = pread(fd, (char *)out + got, size - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return error_set_errno(err, errno, "a file that is being sent");
        if (n == 0) return error_set(err, ERROR_CORRUPT, "a file that is being sent is too short");
        got += (uint32_t)n;
    }
    return true;
}

/* SHA-256, by libsodium. */
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/id.h"
#include "base/xalloc.h"

#define READ_BYTES ((size_t)1 << 18)

_Static_assert(DIGEST_BYTES == crypto_hash_sha256_BYTES, "a digest is a SHA-256");

void digest_begin(struct digest_stream *s)
{
    (void)crypto_hash_sha256_init(&s->state);
}

void digest_update(struct digest_stream *s, const void *data, size_t size_bytes)
{
    if (size_bytes > 0) (void)crypto_hash_sha256_update(&s->state, data, size_bytes);
}

struct digest digest_end(struct digest_stream *s)
{
    struct digest d;
    (void)crypto_hash_sha256_final(&s->state, d.bytes);
    return d;
}

struct digest digest_of(const void *data, size_t size_bytes)
{
    struct digest_stream s;
    digest_begin(&s);
    digest_update(&s, data, size_bytes);
    return digest_end(&s);
}

static bool is_set(const atomic_bool *stop)
{
    return stop != NULL && atomic_load_explicit(stop, memory_order_relaxed);
}

static bool digest_fd(int fd, const char *path, const atomic_bool *stop, struct digest *out,
                      uint64_t *size_bytes_out, struct error *err)
{
    struct digest_stream s;
    digest_begin(&s);
    uint8_t *chunk = xmalloc(READ_BYTES);
    uint64_t size_bytes = 0;
    ssize_t got = 0;
    while (!is_set(stop) && (got = read(fd, chunk, READ_BYTES)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        digest_update(&s, chunk, (size_t)got);
        size_bytes += (uint64_t)got;
    }
    int reason = errno;
    free(chunk);
    if (got < 0) return error_set_errno(err, reason, "cannot read %s", path);
    if (is_set(stop)) return error_set(err, ERROR_INTERRUPTED, "nobody waits for %s", path);
    *out = digest_end(&s);
    if (size_bytes_out != NULL) *size_bytes_out = size_bytes;
    return true;
}

bool digest_of_file(const char *path, struct digest *out, uint64_t *size_bytes_out,
                    struct error *err)
{
    return digest_of_file_until(path, NULL, out, size_bytes_out, err);
}

bool digest_of_file_until(const char *path, const atomic_bool *stop, struct digest *out,
                          uint64_t *size_bytes_out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        return error_set(err, ERROR_NOT_FOUND, "there is no file %s", path);
    }
    if (fd < 0) return error_set_errno(err, errno, "cannot open %s", path);
    bool ok = digest_fd(fd, path, stop, out, size_bytes_out, err);
    (void)close(fd);
    return ok;
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

bool digest_is_zero(const struct digest *d)
{
    return sodium_is_zero(d->bytes, DIGEST_BYTES) == 1;
}

void digest_text(const struct digest *d, char out[DIGEST_TEXT_SIZE])
{
    hex_encode(d->bytes, DIGEST_BYTES, out);
}

bool digest_parse(const char *text, struct digest *out)
{
    struct digest parsed;
    if (!hex_decode(text, parsed.bytes, DIGEST_BYTES)) return false;
    *out = parsed;
    return true;
}

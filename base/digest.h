/* digest: SHA-256 of bytes and files (libsodium). 32 raw bytes inside, 64 hex digits outside. */
#ifndef ZOE_BASE_DIGEST_H
#define ZOE_BASE_DIGEST_H

#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define DIGEST_BYTES 32
#define DIGEST_TEXT_SIZE 65

struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

struct digest_stream {
    crypto_hash_sha256_state state;
};

void digest_begin(struct digest_stream *s);
void digest_update(struct digest_stream *s, const void *data, size_t size_bytes);
struct digest digest_end(struct digest_stream *s);

struct digest digest_of(const void *data, size_t size_bytes);
bool digest_of_file(const char *path, struct digest *out, uint64_t *size_bytes_out,
                    struct error *err);
/* The same, of what may be large: ERROR_INTERRUPTED soon after another thread set *stop. NULL: no
 * one will. */
bool digest_of_file_until(const char *path, const atomic_bool *stop, struct digest *out,
                          uint64_t *size_bytes_out, struct error *err);

bool digest_equal(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *d);
void digest_text(const struct digest *d, char out[DIGEST_TEXT_SIZE]);
bool digest_parse(const char *text, struct digest *out); /* 64 hex digits exactly */

#endif

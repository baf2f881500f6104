/* Random identifiers and hex. */
#include "base/id.h"

#include <sodium.h>
#include <string.h>

#include "base/xalloc.h"

static const char crockford[] = "0123456789abcdefghjkmnpqrstvwxyz";
static const char hex_digits[] = "0123456789abcdef";

void id_random(void *out, size_t size_bytes)
{
    ZOE_ASSERT(sodium_init() >= 0); /* cheap when done before; makes the generator thread-safe */
    randombytes_buf(out, size_bytes);
}

uint64_t id_random_u64(void)
{
    uint64_t value = 0;
    id_random(&value, sizeof(value));
    return value;
}

void id_new_batch(char out[ID_BATCH_SIZE])
{
    uint64_t bits = id_random_u64();
    for (int i = 0; i < ID_BATCH_LENGTH; i++) {
        out[i] = crockford[bits & 31];
        bits >>= 5;
    }
    out[ID_BATCH_LENGTH] = '\0';
}

bool id_is_batch(const char *text)
{
    return strspn(text, crockford) == ID_BATCH_LENGTH && text[ID_BATCH_LENGTH] == '\0';
}

bool id_is_batch_ref(const char *text)
{
    size_t size = strspn(text, crockford);
    bool beginning = size > 0 && size <= ID_BATCH_LENGTH && text[size] == '\0';
    return beginning || strcmp(text, "last") == 0;
}

void hex_encode(const void *data, size_t size_bytes, char *out)
{
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size_bytes; i++) {
        out[2 * i] = hex_digits[bytes[i] >> 4];
        out[2 * i + 1] = hex_digits[bytes[i] & 15];
    }
    out[2 * size_bytes] = '\0';
}

static int digit_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool hex_decode(const char *text, void *out, size_t size_bytes)
{
    uint8_t *bytes = out;
    for (size_t i = 0; i < size_bytes; i++) {
        int high = digit_value(text[2 * i]);
        int low = high < 0 ? -1 : digit_value(text[2 * i + 1]);
        if (low < 0) return false;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return text[2 * size_bytes] == '\0';
}

/* One cursor writes, one reads; the hashes are libsodium's. */
#include "proto/token.h"

#include <sodium.h>
#include <string.h>

#include "base/id.h"
#include "base/text.h"
#include "base/xalloc.h"

#define VERSION 1
#define SCHEME "tcp://"
#define ENDPOINT_MIN 7 /* tcp://x */
#define HEAD_BYTES (1 + 1 + 8 + TOKEN_ID_BYTES + TOKEN_SECRET_BYTES + KEY_BYTES + 1)
#define PAYLOAD_MAX (HEAD_BYTES + LIMIT_TOKEN_ENDPOINTS * (1 + LIMIT_NAME_BYTES) + 4)
#define BASE64 sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(sizeof(TOKEN_PREFIX) + (PAYLOAD_MAX + 2) / 3 * 4 <= LIMIT_TOKEN_BYTES,
               "the longest token fits its limit");
_Static_assert(LIMIT_NAME_BYTES <= UINT8_MAX, "an endpoint's length is one byte");

void token_generate(struct token *t)
{
    *t = (struct token){0};
    id_random(t->id, sizeof(t->id));
    id_random(t->secret, sizeof(t->secret));
}

void token_wipe(struct token *t)
{
    sodium_memzero(t, sizeof(*t));
}

/* CRC-32 of IEEE 802.3, bit by bit: a token is short. */
static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (0xedb88320U & (0U - (crc & 1U)));
    }
    return ~crc;
}

static bool is_endpoint(const char *text, size_t size)
{
    if (size < ENDPOINT_MIN || size > LIMIT_NAME_BYTES || memcmp(text, SCHEME, strlen(SCHEME)) != 0)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (text[i] <= ' ' || text[i] > '~') return false;
    }
    return true;
}

/* Old tokens are not held to this: of several endpoints one will do. */
static bool may_be_dialled(const char *text)
{
    const char *host = text + strlen(SCHEME), *colon = strrchr(host, ':');
    int64_t port = 0;
    return colon != NULL && colon > host && strncmp(host, "*:", 2) != 0 &&
           text_parse_i64(colon + 1, 1, UINT16_MAX, &port);
}

/* ---- writing ---- */

struct writer {
    uint8_t bytes[PAYLOAD_MAX];
    size_t size;
};

static void put(struct writer *w, const void *data, size_t size)
{
    memcpy(w->bytes + w->size, data, size);
    w->size += size;
}

static void put_number(struct writer *w, uint64_t number, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        w->bytes[w->size++] = (uint8_t)(number >> (8 * i));
}

static bool check_endpoints(const struct token *t, struct error *err)
{
    if (t->endpoint_count == 0 || t->endpoint_count > LIMIT_TOKEN_ENDPOINTS)
        return error_set(err, ERROR_INVALID, "a token names 1 to %d endpoints",
                         LIMIT_TOKEN_ENDPOINTS);
    for (size_t i = 0; i < t->endpoint_count; i++) {
        const char *text = t->endpoints[i];
        if (!is_endpoint(text, strlen(text)) || !may_be_dialled(text))
            return error_set(
                err, ERROR_INVALID,
                "endpoint '%.80s' should look like tcp://HOST:PORT, with a port from 1 "
                "to %d and at most %d bytes",
                text, UINT16_MAX, LIMIT_NAME_BYTES);
    }
    return true;
}

bool token_text(const struct token *t, char out[LIMIT_TOKEN_BYTES + 1], struct error *err)
{
    struct writer w = {.size = 0};
    if (!check_endpoints(t, err)) return false;
    put_number(&w, VERSION, 1);
    put_number(&w, t->flags, 1);
    put_number(&w, (uint64_t)t->expires_s, 8);
    put(&w, t->id, sizeof(t->id));
    put(&w, t->secret, sizeof(t->secret));
    put(&w, t->server_key, sizeof(t->server_key));
    put_number(&w, t->endpoint_count, 1);
    for (size_t i = 0; i < t->endpoint_count; i++) {
        size_t size = strlen(t->endpoints[i]);
        put_number(&w, size, 1);
        put(&w, t->endpoints[i], size);
    }
    put_number(&w, crc32_of(w.bytes, w.size), 4);
    const size_t prefix = strlen(TOKEN_PREFIX);
    memcpy(out, TOKEN_PREFIX, prefix);
    (void)sodium_bin2base64(out + prefix, LIMIT_TOKEN_BYTES + 1 - prefix, w.bytes, w.size, BASE64);
    sodium_memzero(&w, sizeof(w));
    return true;
}

/* ---- reading ---- */

struct reader {
    uint8_t bytes[PAYLOAD_MAX];
    size_t size, at;
};

static bool take(struct reader *r, void *out, size_t size)
{
    if (r->size - r->at < size) return false;
    memcpy(out, r->bytes + r->at, size);
    r->at += size;
    return true;
}

static bool take_number(struct reader *r, int bytes, uint64_t *out)
{
    uint8_t digits[8];
    *out = 0;
    if (!take(r, digits, (size_t)bytes)) return false;
    for (int i = 0; i < bytes; i++)
        *out = *out << 8 | digits[i];
    return true;
}

static bool too_short(const struct reader *r, const char *what, struct error *err)
{
    return error_set(err, ERROR_INVALID, "the token ends at byte %zu of its contents, within %s",
                     r->size, what);
}

static bool take_head(struct reader *r, struct token *t, struct error *err)
{
    uint64_t version = 0, flags = 0, expires = 0;
    if (!take_number(r, 1, &version)) return too_short(r, "its version", err);
    if (version != VERSION)
        return error_set(err, ERROR_INVALID, "the token has version %u: this build reads %d",
                         (unsigned)version, VERSION);
    if (!take_number(r, 1, &flags) || !take_number(r, 8, &expires) ||
        !take(r, t->id, sizeof(t->id)) || !take(r, t->secret, sizeof(t->secret)) ||
        !take(r, t->server_key, sizeof(t->server_key)))
        return too_short(r, "its keys", err);
    if ((flags & ~(uint64_t)TOKEN_FLAG_CLIENT) != 0)
        return error_set(err, ERROR_INVALID, "byte 1 of the token holds unknown flags");
    if (expires > INT64_MAX / 1000)
        return error_set(err, ERROR_INVALID, "byte 2 of the token: no such time");
    t->flags = (unsigned)flags;
    t->expires_s = (int64_t)expires;
    return true;
}

static bool take_endpoint(struct reader *r, char out[LIMIT_NAME_BYTES + 1], struct error *err)
{
    uint64_t size = 0;
    const size_t at = r->at;
    if (!take_number(r, 1, &size)) return too_short(r, "its endpoints", err);
    if (size > LIMIT_NAME_BYTES)
        return error_set(err, ERROR_INVALID, "byte %zu of the token: an endpoint of %u bytes", at,
                         (unsigned)size);
    if (!take(r, out, size)) return too_short(r, "its endpoints", err);
    out[size] = '\0';
    return is_endpoint(out, size) ||
           error_set(err, ERROR_INVALID, "byte %zu of the token: no endpoint", at);
}

static bool take_endpoints(struct reader *r, struct token *t, struct error *err)
{
    uint64_t count = 0;
    const size_t at = r->at;
    if (!take_number(r, 1, &count)) return too_short(r, "its endpoints", err);
    if (count == 0 || count > LIMIT_TOKEN_ENDPOINTS)
        return error_set(err, ERROR_INVALID, "byte %zu of the token: %u endpoints", at,
                         (unsigned)count);
    for (t->endpoint_count = 0; t->endpoint_count < count; t->endpoint_count++) {
        if (!take_endpoint(r, t->endpoints[t->endpoint_count], err)) return false;
    }
    return true;
}

static bool take_check(struct reader *r, struct error *err)
{
    const uint32_t right = crc32_of(r->bytes, r->at);
    uint64_t found = 0;
    if (!take_number(r, 4, &found)) return too_short(r, "its checksum", err);
    if (r->at != r->size)
        return error_set(err, ERROR_INVALID, "%zu bytes follow the token's checksum",
                         r->size - r->at);
    return found == right ||
           error_set(err, ERROR_INVALID, "the token's checksum is wrong: was all of it copied?");
}

static bool decode(const char *text, struct reader *r, struct error *err)
{
    const size_t prefix = strlen(TOKEN_PREFIX), length = strlen(text);
    const char *end = NULL;
    *r = (struct reader){.size = 0};
    if (strncmp(text, TOKEN_PREFIX, prefix) != 0)
        return error_set(err, ERROR_INVALID, "this is no token: it begins with " TOKEN_PREFIX);
    if (length > LIMIT_TOKEN_BYTES)
        return error_set(err, ERROR_INVALID, "a token has at most %d characters, this one %zu",
                         LIMIT_TOKEN_BYTES, length);
    if (sodium_base642bin(r->bytes, sizeof(r->bytes), text + prefix, length - prefix, NULL,
                          &r->size, &end, BASE64) == 0 &&
        *end == '\0')
        return true;
    return error_set(err, ERROR_INVALID, "character %zu of the token does not belong there",
                     end != NULL ? (size_t)(end - text) + 1 : prefix + 1);
}

bool token_parse(const char *text, struct token *out, struct error *err)
{
    struct reader r;
    *out = (struct token){0};
    bool ok = decode(text, &r, err) && take_head(&r, out, err) && take_endpoints(&r, out, err) &&
              take_check(&r, err);
    sodium_memzero(&r, sizeof(r));
    if (!ok) token_wipe(out);
    return ok;
}

/* ---- proofs ---- */

static const char key_context[] = "zoetrope join key 1";
static const char proof_context[] = "zoetrope join proof 1";

void token_key(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t key_out[TOKEN_KEY_BYTES])
{
    ZOE_ASSERT(crypto_generichash(key_out, TOKEN_KEY_BYTES, (const uint8_t *)key_context,
                                  sizeof(key_context), secret, TOKEN_SECRET_BYTES) == 0);
}

void token_proof(const uint8_t key[TOKEN_KEY_BYTES], const uint8_t joiner[KEY_BYTES],
                 const uint8_t server[KEY_BYTES], uint8_t proof_out[TOKEN_PROOF_BYTES])
{
    uint8_t said[sizeof(proof_context) + 2 * KEY_BYTES];
    memcpy(said, proof_context, sizeof(proof_context));
    memcpy(said + sizeof(proof_context), joiner, KEY_BYTES);
    memcpy(said + sizeof(proof_context) + KEY_BYTES, server, KEY_BYTES);
    ZOE_ASSERT(crypto_generichash(proof_out, TOKEN_PROOF_BYTES, said, sizeof(said), key,
                                  TOKEN_KEY_BYTES) == 0);
}

bool token_proof_is_right(const uint8_t key[TOKEN_KEY_BYTES], const uint8_t joiner[KEY_BYTES],
                          const uint8_t server[KEY_BYTES], const uint8_t proof[TOKEN_PROOF_BYTES])
{
    uint8_t right[TOKEN_PROOF_BYTES];
    token_proof(key, joiner, server, right);
    return sodium_memcmp(right, proof, sizeof(right)) == 0;
}

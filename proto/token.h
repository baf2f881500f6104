/* token: one string with which a machine or a person joins a farm: where the coordinator is, which
 * key it has, and a secret that says "this one was invited".
 *
 * Text form: "zj1_" and base64url (no padding) of: version (1), flags (1), expiry (8, seconds of
 * the wall clock, big-endian), id (6), secret (16), the coordinator's CURVE public key (32), number
 * of endpoints (1), each as length (1) and text, CRC-32 (4, big-endian, of all before it). No
 * character of it means anything to a shell, YAML or an environment file. The CRC finds slips of
 * the hand and nothing else: a forged token is found by its proof.
 *
 * The proof that goes over the wire is a keyed hash (BLAKE2b-256) of a fixed context, the joiner's
 * public key and the coordinator's, under a key derived from the secret. It holds for this one pair
 * of keys. No nonce is needed: the CURVE handshake has just proved that the joiner has the secret
 * half of its key, so nobody else can use a proof that was seen; and saying it twice is allowing
 * the same key twice. The coordinator keeps the derived key only: a token cannot be read out of its
 * database.
 *
 * Pure; whoever holds a token wipes it. */
#ifndef ZOE_PROTO_TOKEN_H
#define ZOE_PROTO_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/keys.h"
#include "proto/limits.h"

#define TOKEN_PREFIX "zj1_"
#define TOKEN_FLAG_CLIENT 1 /* for the client socket; without it for the worker socket */
#define TOKEN_KEY_BYTES 32
#define TOKEN_ID_TEXT_SIZE (2 * TOKEN_ID_BYTES + 1)

struct token {
    unsigned flags;
    int64_t expires_s; /* wall clock */
    uint8_t id[TOKEN_ID_BYTES];
    uint8_t secret[TOKEN_SECRET_BYTES];
    uint8_t server_key[KEY_BYTES];
    size_t endpoint_count;                                       /* at least 1 */
    char endpoints[LIMIT_TOKEN_ENDPOINTS][LIMIT_NAME_BYTES + 1]; /* tcp://HOST:PORT */
};

/* A new id and secret; the rest is the caller's. */
void token_generate(struct token *t);
void token_wipe(struct token *t);

/* ERROR_INVALID: no endpoint, too many, or one that is too long or that nobody can dial. */
bool token_text(const struct token *t, char out[LIMIT_TOKEN_BYTES + 1], struct error *err);
/* ERROR_INVALID says what is wrong and at which byte; *out is wiped then. A token whose time is
 * over parses: whether it still counts is the coordinator's word. */
bool token_parse(const char *text, struct token *out, struct error *err);

/* What the coordinator keeps of a secret. */
void token_key(const uint8_t secret[TOKEN_SECRET_BYTES], uint8_t key_out[TOKEN_KEY_BYTES]);
void token_proof(const uint8_t key[TOKEN_KEY_BYTES], const uint8_t joiner[KEY_BYTES],
                 const uint8_t server[KEY_BYTES], uint8_t proof_out[TOKEN_PROOF_BYTES]);
/* In constant time. */
bool token_proof_is_right(const uint8_t key[TOKEN_KEY_BYTES], const uint8_t joiner[KEY_BYTES],
                          const uint8_t server[KEY_BYTES], const uint8_t proof[TOKEN_PROOF_BYTES]);

#endif

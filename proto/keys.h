/* keys: CURVE key pairs and the files that hold them. A key is 32 raw bytes inside and 64 hex
 * digits outside. A key file holds the secret half only (64 hex digits and a newline), mode 0600;
 * the public half is computed from it. */
#ifndef ZOE_PROTO_KEYS_H
#define ZOE_PROTO_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

#define KEY_BYTES 32
#define KEY_TEXT_SIZE 65

struct key_pair {
    uint8_t public_key[KEY_BYTES];
    uint8_t secret_key[KEY_BYTES];
};

void keys_generate(struct key_pair *out);
void keys_wipe(struct key_pair *pair); /* zeroes both halves; whoever holds a pair calls it */
bool keys_equal(const uint8_t a[KEY_BYTES], const uint8_t b[KEY_BYTES]);

void keys_text(const uint8_t key[KEY_BYTES], char out[KEY_TEXT_SIZE]);
/* Exactly 64 hex digits; `what` names the source in the error ("--server-key"). */
bool keys_parse(const char *text, uint8_t out[KEY_BYTES], const char *what, struct error *err);

/* Never writes over an existing file (ERROR_STATE); the file appears whole or not at all. */
bool keys_save(const char *path, const struct key_pair *pair, struct error *err);
/* ERROR_NOT_FOUND; ERROR_AUTH when group or others may read it or it belongs to somebody else;
 * ERROR_INVALID for bad contents. */
bool keys_load(const char *path, struct key_pair *out, struct error *err);
/* Loads, or makes and saves when there is none. `created` may be NULL. */
bool keys_load_or_create(const char *path, struct key_pair *out, bool *created, struct error *err);

#endif

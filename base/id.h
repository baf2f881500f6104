/* id: random identifiers and their text forms. Randomness is libsodium's. */
#ifndef ZOE_BASE_ID_H
#define ZOE_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ID_BATCH_LENGTH 10                  /* Crockford base32, lower case */
#define ID_BATCH_SIZE (ID_BATCH_LENGTH + 1) /* with NUL */
#define ID_BOOT_BYTES 16

void id_random(void *out, size_t size_bytes);
uint64_t id_random_u64(void);
void id_new_batch(char out[ID_BATCH_SIZE]);
bool id_is_batch(const char *text);     /* exactly 10 characters of 0-9a-hjkmnp-tv-z */
bool id_is_batch_ref(const char *text); /* the beginning of one, or "last"; not empty */

/* out needs 2*size+1 bytes. */
void hex_encode(const void *data, size_t size_bytes, char *out);
/* Accepts exactly 2*size lower- or upper-case digits and nothing after them. */
bool hex_decode(const char *text, void *out, size_t size_bytes);

#endif

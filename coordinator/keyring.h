/* keyring: the keys that may connect, in memory: key -> role and name. Every handshake and every
 * message is looked up here, so that a revoked key is out at once. The store keeps the rows; who
 * changes one changes both in one turn. Loop thread. */
#ifndef ZOE_COORDINATOR_KEYRING_H
#define ZOE_COORDINATOR_KEYRING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"
#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/message.h"

struct store;

struct keyring_entry {
    uint8_t key[KEY_BYTES];
    enum message_from role;
    const char *role_name; /* static: "worker", "submit", "admin" */
    char name[LIMIT_NAME_BYTES + 1];
};

struct keyring {
    struct table entries; /* key -> struct keyring_entry */
};

void keyring_init(struct keyring *k);
void keyring_finish(struct keyring *k);
/* Adds the stored rows to what is there. */
bool keyring_load(struct keyring *k, struct store *store, struct error *err);

/* Borrowed until the next change; NULL when the key is not allowed. */
const struct keyring_entry *keyring_find(const struct keyring *k, const uint8_t key[KEY_BYTES]);
const struct keyring_entry *keyring_find_text(const struct keyring *k, const char *hex);
/* Hex of the key of a worker; false when there is none of that name. */
bool keyring_worker_key(const struct keyring *k, const char *name, char out[KEY_TEXT_SIZE]);

/* Whether `key` may be allowed in this role under this name. The same row again is fine (*existed).
 * ERROR_STATE: the key has another role or name, or another worker has the name. ERROR_INVALID: no
 * such role. */
bool keyring_check(const struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                   const char *name, bool *existed, struct error *err);
/* After keyring_check. */
void keyring_set(struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                 const char *name);

#endif

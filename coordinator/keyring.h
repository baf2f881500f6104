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
#include "proto/token.h"

struct store;
struct store_key;

/* Keys that are not allowed yet are known under this and their first digits: nobody is called so.
 */
#define KEYRING_JOINER "join:"

struct keyring_entry {
    uint8_t key[KEY_BYTES];
    enum message_from role;
    const char *role_name; /* static: "worker", "submit", "operate", "admin" */
    char name[LIMIT_NAME_BYTES + 1];
    int64_t allowed_ms;             /* wall */
    char token[TOKEN_ID_TEXT_SIZE]; /* that it joined with; "" = none */
    bool ephemeral;                 /* forgotten when its worker has left */
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
/* After keyring_check; copies. */
void keyring_put(struct keyring *k, const struct store_key *row);
void keyring_set(struct keyring *k, const uint8_t key[KEY_BYTES], const char *role,
                 const char *name);
void keyring_remove(struct keyring *k, const uint8_t key[KEY_BYTES]);

/* The key that 64 hex digits name, or the only one of that name, among those of the role ("" = of
 * any). ERROR_NOT_FOUND; ERROR_USAGE when several have the name. */
const struct keyring_entry *keyring_choose(const struct keyring *k, const char *text,
                                           const char *role, struct error *err);
/* The only one that may say what MESSAGE_FROM_ADMIN may: to revoke it would lock everybody out. */
bool keyring_is_last_admin(const struct keyring *k, const struct keyring_entry *entry);
/* A name that no key has and that is not taken otherwise: `wanted` itself, or with a number behind
 * it. With `numbered` always with one, from 1 on. */
typedef bool (*keyring_taken)(void *context, const char *name);
void keyring_free_name(const struct keyring *k, const char *wanted, bool numbered,
                       keyring_taken taken, void *context, char out[LIMIT_NAME_BYTES + 1]);
/* Keys in ascending order above `after` (NULL = from the start), at most `room`; returns how many.
 */
size_t keyring_page(const struct keyring *k, const uint8_t *after, const struct keyring_entry **out,
                    size_t room);

#endif

/* tokens: the join tokens in force, in memory. The store keeps the rows; who changes one changes
 * both in one turn. Times are wall clock: a token outlives restarts. Loop thread. */
#ifndef ZOE_COORDINATOR_TOKENS_H
#define ZOE_COORDINATOR_TOKENS_H

#include "base/table.h"
#include "coordinator/store_access.h"
#include "proto/message.h"

struct tokens {
    struct table entries; /* id -> struct token_entry */
};

struct token_entry {
    char id[TOKEN_ID_TEXT_SIZE];
    uint8_t key[TOKEN_KEY_BYTES];
    enum message_from role;
    const char *role_name; /* static */
    int64_t created_ms, expires_ms;
    uint32_t uses, used;
    bool ephemeral;
    char name[LIMIT_NAME_BYTES + 1];
    char by[LIMIT_NAME_BYTES + 1];
};

void tokens_init(struct tokens *t);
void tokens_finish(struct tokens *t);
bool tokens_load(struct tokens *t, struct store *store, struct error *err);

/* ERROR_REFUSED when there are too many. */
bool tokens_may_add(const struct tokens *t, int64_t wall_ms, struct error *err);
/* Copies. A role that this build does not know is left out. */
void tokens_put(struct tokens *t, const struct store_token *row);
bool tokens_remove(struct tokens *t, const char *id); /* false: there is none */
/* Forgets those that ended before. */
void tokens_prune(struct tokens *t, int64_t before_ms);

/* Whether somebody unknown may come in at all, on the client socket or the workers'. */
bool tokens_invite(const struct tokens *t, bool to_client, int64_t wall_ms);
/* The token that a Join names, if it counts for this socket and the proof is right; NULL with
 * ERROR_AUTH, in words that help. Borrowed. */
const struct token_entry *tokens_check(const struct tokens *t, const uint8_t id[TOKEN_ID_BYTES],
                                       const uint8_t proof[TOKEN_PROOF_BYTES],
                                       const uint8_t joiner[KEY_BYTES],
                                       const uint8_t server[KEY_BYTES], bool to_client,
                                       int64_t wall_ms, struct error *err);
/* One use more; fills the row to save (its texts are borrowed). False: there is none. */
bool tokens_use(struct tokens *t, const char *id, struct store_token *row_out);

#endif

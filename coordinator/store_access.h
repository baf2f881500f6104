/* store_access: rows about who may come in and how much they may do: tokens, owners, published
 * bytes, the audit log. Rules as in store.h. */
#ifndef ZOE_COORDINATOR_STORE_ACCESS_H
#define ZOE_COORDINATOR_STORE_ACCESS_H

#include "coordinator/store.h"
#include "proto/token.h"

/* ---- join tokens: never the secret, only what is derived from it ---- */

struct store_token {
    char id[TOKEN_ID_TEXT_SIZE];
    uint8_t key[TOKEN_KEY_BYTES];
    const char *role;
    int64_t created_ms, expires_ms; /* wall */
    uint32_t uses, used;
    bool ephemeral;
    const char *name; /* "" = keys are called as they ask */
    const char *by;
};
/* Inserts or replaces by id. */
void store_token_save(struct store *s, const struct store_token *token);
void store_token_revoke(struct store *s, const char *id);
/* In order of their ids. */
bool store_each_token(struct store *s, void (*each)(void *context, const struct store_token *token),
                      void *context, struct error *err);
/* Drops those that ended before. */
void store_tokens_prune(struct store *s, int64_t before_ms);

/* ---- owners ---- */

struct store_owner {
    const char *name;
    uint32_t share;                             /* 0 = 1 */
    uint64_t max_batches, max_tasks, max_bytes; /* 0 = unlimited */
};
void store_owner_save(struct store *s, const struct store_owner *owner);
bool store_each_owner(struct store *s, void (*each)(void *context, const struct store_owner *owner),
                      void *context, struct error *err);
/* So many bytes more of a batch are published. */
void store_published_add(struct store *s, const char *batch, uint64_t bytes);
/* Counts them anew, after clips were found on the disk: reads all rows of clips. */
void store_published_recount(struct store *s);
/* Batches that have published something, with their owners. */
bool store_each_published(struct store *s,
                          void (*each)(void *context, const char *batch, const char *owner,
                                       uint64_t bytes),
                          void *context, struct error *err);

/* Whether a batch of the owner names such an input or has stored such an output. */
bool store_owner_uses(struct store *s, const char *owner, const struct digest *digest);

/* ---- audit ---- */

struct store_audit {
    int64_t at_ms; /* wall */
    const char *by, *role, *action, *subject, *detail;
    bool allowed;
};
void store_audit_add(struct store *s, const struct store_audit *entry);
/* After `after`, at most `limit`, oldest first. */
bool store_each_audit(struct store *s, uint64_t after, uint32_t limit,
                      void (*each)(void *context, uint64_t sequence,
                                   const struct store_audit *entry),
                      void *context, struct error *err);
/* The entry before the newest `last`; 0 when there are no more than these. */
bool store_audit_before(struct store *s, uint32_t last, uint64_t *out, struct error *err);
/* Drops at most `limit` entries older than `before_ms`, and those beyond the newest `keep`; true
 * when there may be more. */
bool store_audit_prune(struct store *s, int64_t before_ms, uint64_t keep, uint32_t limit);

#endif

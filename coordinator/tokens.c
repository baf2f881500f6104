/* Few: walked when a stranger knocks. */
#include "coordinator/tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/xalloc.h"
#include "proto/limits.h"

void tokens_init(struct tokens *t)
{
    table_init(&t->entries);
}

void tokens_finish(struct tokens *t)
{
    table_finish_all(&t->entries);
}

static void load_one(void *context, const struct store_token *row)
{
    tokens_put(context, row);
}

bool tokens_load(struct tokens *t, struct store *store, struct error *err)
{
    return store_each_token(store, load_one, t, err);
}

static bool counts(const struct token_entry *e, int64_t wall_ms)
{
    return wall_ms < e->expires_ms && e->used < e->uses;
}

static bool is_for(const struct token_entry *e, bool to_client)
{
    return (e->role != MESSAGE_FROM_WORKER) == to_client;
}

bool tokens_may_add(const struct tokens *t, int64_t wall_ms, struct error *err)
{
    const struct token_entry *e = NULL;
    int count = 0;
    for (size_t i = 0; (e = table_next(&t->entries, &i, NULL, NULL)) != NULL;)
        count += counts(e, wall_ms);
    return count < LIMIT_TOKENS || error_set(err, ERROR_REFUSED,
                                             "%d tokens are in force already: revoke some "
                                             "(`zoe token list`, `zoe token revoke ID`)",
                                             count);
}

void tokens_put(struct tokens *t, const struct store_token *row)
{
    enum message_from role = MESSAGE_FROM_WORKER;
    if (!message_role_parse(row->role, &role)) return;
    struct token_entry *e = xcalloc(1, sizeof(*e));
    (void)snprintf(e->id, sizeof(e->id), "%s", row->id);
    memcpy(e->key, row->key, sizeof(e->key));
    e->role = role;
    e->role_name = message_role_name(role);
    e->created_ms = row->created_ms;
    e->expires_ms = row->expires_ms;
    e->uses = row->uses;
    e->used = row->used;
    e->ephemeral = row->ephemeral;
    (void)snprintf(e->name, sizeof(e->name), "%s", row->name);
    (void)snprintf(e->by, sizeof(e->by), "%s", row->by);
    free(table_set_text(&t->entries, e->id, e));
}

bool tokens_remove(struct tokens *t, const char *id)
{
    struct token_entry *e = table_remove_text(&t->entries, id);
    free(e);
    return e != NULL;
}

void tokens_prune(struct tokens *t, int64_t before_ms)
{
    struct token_entry *e = NULL;
    for (size_t i = 0; (e = table_next(&t->entries, &i, NULL, NULL)) != NULL;) {
        if (e->expires_ms >= before_ms) continue;
        (void)table_remove_text(&t->entries, e->id);
        free(e);
    }
}

bool tokens_invite(const struct tokens *t, bool to_client, int64_t wall_ms)
{
    const struct token_entry *e = NULL;
    for (size_t i = 0; (e = table_next(&t->entries, &i, NULL, NULL)) != NULL;) {
        if (is_for(e, to_client) && counts(e, wall_ms)) return true;
    }
    return false;
}

/* Only to who has shown that he knows the secret. */
static bool still_counts(const struct token_entry *e, bool to_client, int64_t wall_ms,
                         struct error *err)
{
    if (!is_for(e, to_client))
        return error_set(
            err, ERROR_AUTH, "this token is for %s: %s", to_client ? "a worker" : "a client",
            to_client ? "use it with `zoe-worker --join`" : "use it with `zoe client join`");
    if (wall_ms >= e->expires_ms)
        return error_set(err, ERROR_AUTH,
                         "this token has expired: ask for a new one (`zoe token create`)");
    if (e->used >= e->uses)
        return error_set(err, ERROR_AUTH,
                         "this token is used up (%u of %u): ask for a new one "
                         "(`zoe token create --uses N`)",
                         (unsigned)e->used, (unsigned)e->uses);
    return true;
}

const struct token_entry *tokens_check(const struct tokens *t, const uint8_t id[TOKEN_ID_BYTES],
                                       const uint8_t proof[TOKEN_PROOF_BYTES],
                                       const uint8_t joiner[KEY_BYTES],
                                       const uint8_t server[KEY_BYTES], bool to_client,
                                       int64_t wall_ms, struct error *err)
{
    char text[TOKEN_ID_TEXT_SIZE];
    hex_encode(id, TOKEN_ID_BYTES, text);
    const struct token_entry *e = table_get_text(&t->entries, text);
    if (e == NULL || !token_proof_is_right(e->key, joiner, server, proof)) {
        error_set(err, ERROR_AUTH,
                  "this token is not known here (any more): it was revoked or expired long ago, or "
                  "is another farm's; ask for a new one (`zoe token create`)");
        return NULL;
    }
    return still_counts(e, to_client, wall_ms, err) ? e : NULL;
}

bool tokens_use(struct tokens *t, const char *id, struct store_token *row_out)
{
    struct token_entry *e = table_get_text(&t->entries, id);
    if (e == NULL) return false;
    e->used++;
    *row_out = (struct store_token){.role = e->role_name,
                                    .created_ms = e->created_ms,
                                    .expires_ms = e->expires_ms,
                                    .uses = e->uses,
                                    .used = e->used,
                                    .ephemeral = e->ephemeral,
                                    .name = e->name,
                                    .by = e->by};
    memcpy(row_out->id, e->id, sizeof(row_out->id));
    memcpy(row_out->key, e->key, sizeof(row_out->key));
    return true;
}

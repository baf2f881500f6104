/* Who may come in: keys and join tokens. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "coordinator/client_requests.h"
#include "coordinator/expel.h"
#include "coordinator/shell.h"

#define SUBJECT(d, ...) ((void)snprintf((d)->subject, sizeof((d)->subject), __VA_ARGS__))

/* ---- keys ---- */

void client_requests_key_allow(struct dispatch *d)
{
    const Farm__KeyAllow *m = d->envelope->key_allow;
    struct coordinator *c = d->c;
    struct error err = {0};
    struct reply r;
    Farm__KeyAllowed answer = FARM__KEY_ALLOWED__INIT;
    char message[LIMIT_TEXT_BYTES];
    bool existed = false;
    if (!keyring_check(&c->keyring, m->key.data, m->role, m->name, &existed, &err)) {
        dispatch_problem(d, &err);
        return;
    }
    if (!existed) {
        struct store_key row = {.role = m->role, .name = m->name, .allowed_ms = clock_wall_ms()};
        memcpy(row.key, m->key.data, KEY_BYTES);
        store_key_allow(c->store, &row);
        (void)snprintf(message, sizeof(message), "%s allowed the key of %s %s", d->sender->name,
                       m->role, m->name);
        shell_key_event(c, "key.allowed", strcmp(m->role, "worker") == 0 ? m->name : "", message);
        keyring_put(&c->keyring, &row);
    }
    d->unchanged = existed;
    reply_init(&r);
    answer.name = reply_name(&r, m->name, LIMIT_NAME_BYTES);
    answer.existed = existed;
    dispatch_reply(d, FARM__ENVELOPE__BODY_KEY_ALLOWED, &answer.base);
    reply_finish(&r);
}

static Farm__Key *key_message(struct reply *r, const struct keyring_entry *entry)
{
    char hex[KEY_TEXT_SIZE];
    Farm__Key *m = reply_alloc(r, 1, sizeof(*m));
    *m = (Farm__Key)FARM__KEY__INIT;
    keys_text(entry->key, hex);
    m->key = reply_name(r, hex, KEY_TEXT_SIZE - 1);
    m->role = reply_name(r, entry->role_name, LIMIT_BACKEND_BYTES);
    m->name = reply_name(r, entry->name, LIMIT_NAME_BYTES);
    m->allowed_ms = entry->allowed_ms > 0 ? (uint64_t)entry->allowed_ms : 0;
    m->ephemeral = entry->ephemeral;
    m->token = reply_name(r, entry->token, 2 * TOKEN_ID_BYTES);
    return m;
}

void client_requests_keys(struct dispatch *d)
{
    const char *after = d->envelope->keys_wanted->after;
    const struct keyring_entry *page[LIMIT_PAGE + 1];
    uint8_t cursor[KEY_BYTES];
    struct error err = {0};
    struct reply r;
    Farm__Keys m = FARM__KEYS__INIT;
    if (after[0] != '\0' && !keys_parse(after, cursor, "the cursor", &err)) {
        dispatch_problem(d, &err);
        return;
    }
    size_t count = keyring_page(&d->c->keyring, after[0] != '\0' ? cursor : NULL, page,
                                sizeof(page) / sizeof(page[0]));
    reply_init(&r);
    m.truncated = count > LIMIT_PAGE;
    m.keys = reply_alloc(&r, LIMIT_PAGE, sizeof(*m.keys));
    for (size_t i = 0; i < count && i < LIMIT_PAGE; i++)
        m.keys[m.n_keys++] = key_message(&r, page[i]);
    dispatch_reply(d, FARM__ENVELOPE__BODY_KEYS, &m.base);
    reply_finish(&r);
}

void client_requests_key_revoke(struct dispatch *d)
{
    struct coordinator *c = d->c;
    struct error err = {0};
    struct reply r;
    Farm__KeyRevoked m = FARM__KEY_REVOKED__INIT;
    char message[LIMIT_TEXT_BYTES];
    const Farm__KeyRevoke *asked = d->envelope->key_revoke;
    const struct keyring_entry *entry = keyring_choose(&c->keyring, asked->key, asked->role, &err);
    if (entry != NULL && keyring_is_last_admin(&c->keyring, entry)) {
        error_set(&err, ERROR_REFUSED, "%s is the last admin: allow another key first",
                  entry->name);
        entry = NULL;
    }
    if (entry == NULL) {
        dispatch_problem(d, &err);
        return;
    }
    reply_init(&r);
    m.name = reply_name(&r, entry->name, LIMIT_NAME_BYTES);
    m.role = reply_name(&r, entry->role_name, LIMIT_BACKEND_BYTES);
    SUBJECT(d, "%s", entry->name);
    (void)snprintf(message, sizeof(message), "%s revoked the key of %s %s", d->sender->name,
                   entry->role_name, entry->name);
    shell_key_event(c, "key.revoked", entry->role == MESSAGE_FROM_WORKER ? m.name : "", message);
    dispatch_reply(d, FARM__ENVELOPE__BODY_KEY_REVOKED, &m.base);
    expel_key(c, entry);
    reply_finish(&r);
}

/* ---- tokens ---- */

/* A socket that listens on all addresses is dialled by the machine's name. */
static void own_endpoint(const struct zsock *sock, char out[LIMIT_NAME_BYTES + 1])
{
    static const char *const any[] = {"tcp://0.0.0.0:", "tcp://[::]:"};
    const char *bound = zsock_endpoint(sock);
    char host[LIMIT_NAME_BYTES / 2] = "localhost";
    (void)snprintf(out, LIMIT_NAME_BYTES + 1, "%s", bound);
    for (size_t i = 0; i < sizeof(any) / sizeof(any[0]); i++) {
        if (strncmp(bound, any[i], strlen(any[i])) != 0) continue;
        (void)gethostname(host, sizeof(host) - 1);
        (void)snprintf(out, LIMIT_NAME_BYTES + 1, "tcp://%s:%s", host, bound + strlen(any[i]));
    }
}

static bool fill_token(struct dispatch *d, struct token *token, struct error *err)
{
    const Farm__TokenCreate *m = d->envelope->token_create;
    enum message_from role = MESSAGE_FROM_WORKER;
    struct coordinator *c = d->c;
    if (!message_role_parse(m->role, &role))
        return error_set(err, ERROR_INVALID,
                         "there is no role %s: worker, submit, operate or admin", m->role);
    const bool client = role != MESSAGE_FROM_WORKER;
    token_generate(token);
    token->flags = client ? TOKEN_FLAG_CLIENT : 0;
    token->expires_s = (clock_wall_ms() + 999) / 1000 + (int64_t)m->ttl_s;
    memcpy(token->server_key, c->server_key.public_key, KEY_BYTES);
    for (size_t i = 0; i < m->n_endpoints && i < LIMIT_TOKEN_ENDPOINTS; i++)
        (void)snprintf(token->endpoints[token->endpoint_count++], LIMIT_NAME_BYTES + 1, "%s",
                       strlen(m->endpoints[i]) <= LIMIT_NAME_BYTES ? m->endpoints[i] : "too long");
    if (token->endpoint_count == 0)
        own_endpoint(client ? c->clients : c->workers, token->endpoints[token->endpoint_count++]);
    return true;
}

static void keep_token(struct dispatch *d, const struct token *token)
{
    const Farm__TokenCreate *m = d->envelope->token_create;
    struct store_token row = {.role = m->role,
                              .created_ms = clock_wall_ms(),
                              .expires_ms = token->expires_s * 1000,
                              .uses = m->uses,
                              .ephemeral = m->ephemeral,
                              .name = m->name,
                              .by = d->sender->name};
    hex_encode(token->id, sizeof(token->id), row.id);
    token_key(token->secret, row.key);
    store_token_save(d->c->store, &row);
    tokens_put(&d->c->tokens, &row);
    SUBJECT(d, "%s", row.id);
}

void client_requests_token_create(struct dispatch *d)
{
    struct token token = {0};
    struct error err = {0};
    struct reply r;
    char text[LIMIT_TOKEN_BYTES + 1];
    Farm__TokenCreated m = FARM__TOKEN_CREATED__INIT;
    if (tokens_may_add(&d->c->tokens, clock_wall_ms(), &err) && fill_token(d, &token, &err) &&
        token_text(&token, text, &err)) {
        keep_token(d, &token);
        reply_init(&r);
        m.id = reply_name(&r, d->subject, 2 * TOKEN_ID_BYTES);
        m.token = reply_name(&r, text, LIMIT_TOKEN_BYTES);
        m.expires_ms = (uint64_t)token.expires_s * 1000;
        dispatch_reply(d, FARM__ENVELOPE__BODY_TOKEN_CREATED, &m.base);
        reply_finish(&r);
    } else {
        dispatch_problem(d, &err);
    }
    token_wipe(&token);
    memset(text, 0, sizeof(text));
}

static Farm__Token *token_message(struct reply *r, const struct token_entry *e)
{
    Farm__Token *m = reply_alloc(r, 1, sizeof(*m));
    *m = (Farm__Token)FARM__TOKEN__INIT;
    m->id = reply_name(r, e->id, 2 * TOKEN_ID_BYTES);
    m->role = reply_name(r, e->role_name, LIMIT_BACKEND_BYTES);
    m->created_ms = e->created_ms > 0 ? (uint64_t)e->created_ms : 0;
    m->expires_ms = e->expires_ms > 0 ? (uint64_t)e->expires_ms : 0;
    m->uses = e->uses;
    m->used = e->used;
    m->ephemeral = e->ephemeral;
    m->name = reply_name(r, e->name, LIMIT_NAME_BYTES);
    m->by = reply_name(r, e->by, LIMIT_NAME_BYTES);
    return m;
}

static int newest_first(const void *a, const void *b)
{
    const struct token_entry *const *one = a, *const *two = b;
    if ((*one)->created_ms != (*two)->created_ms)
        return (*one)->created_ms < (*two)->created_ms ? 1 : -1;
    return strcmp((*one)->id, (*two)->id);
}

void client_requests_tokens(struct dispatch *d)
{
    const struct token_entry *e = NULL;
    struct reply r;
    Farm__Tokens m = FARM__TOKENS__INIT;
    reply_init(&r);
    size_t count = 0;
    const struct table *entries = &d->c->tokens.entries;
    const struct token_entry **all = reply_alloc(&r, entries->count + 1, sizeof(*all));
    for (size_t i = 0; (e = table_next(entries, &i, NULL, NULL)) != NULL;)
        all[count++] = e;
    qsort(all, count, sizeof(*all), newest_first);
    m.truncated = count > LIMIT_PAGE;
    m.tokens = reply_alloc(&r, LIMIT_PAGE, sizeof(*m.tokens));
    for (size_t i = 0; i < count && i < LIMIT_PAGE; i++)
        m.tokens[m.n_tokens++] = token_message(&r, all[i]);
    dispatch_reply(d, FARM__ENVELOPE__BODY_TOKENS, &m.base);
    reply_finish(&r);
}

/* The answer is the list of those that are left. */
void client_requests_token_revoke(struct dispatch *d)
{
    const char *id = d->envelope->token_revoke->id;
    struct error err = {0};
    if (!tokens_remove(&d->c->tokens, id)) {
        error_set(&err, ERROR_NOT_FOUND, "there is no token %s; see `zoe token list`", id);
        dispatch_problem(d, &err);
        return;
    }
    store_token_revoke(d->c->store, id);
    client_requests_tokens(d);
}

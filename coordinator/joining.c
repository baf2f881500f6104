/* A place a key (joiners.h), from its handshake to its first message. */
#include "coordinator/joining.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/log_pace.h"
#include "coordinator/audit.h"
#include "coordinator/dispatch.h"
#include "coordinator/mail.h"
#include "coordinator/namesake.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "proto/codec.h"

#define KEY_DIGITS 8 /* of a joiner's name */

enum zap_verdict joining_admit(struct coordinator *c, bool to_client, const uint8_t key[KEY_BYTES],
                               const char *address, char user_out[LIMIT_NAME_BYTES + 1])
{
    char text[KEY_TEXT_SIZE];
    if (!tokens_invite(&c->tokens, to_client, clock_wall_ms())) return ZAP_REFUSED;
    if (!joiners_add(&c->joiners, key, address, clock_now_ns())) return ZAP_LATER;
    keys_text(key, text);
    (void)snprintf(user_out, LIMIT_NAME_BYTES + 1, KEYRING_JOINER "%.*s", KEY_DIGITS, text);
    return ZAP_ALLOWED;
}

/* ---- a good Join ---- */

/* What people type: names become arguments of commands and columns of tables. */
static void clean_name(const char *asked, const char *fallback, char out[LIMIT_NAME_BYTES + 1])
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "._@-";
    const char *from = asked[0] != '\0' ? asked : fallback;
    size_t size = 0;
    for (; from[size] != '\0' && size < LIMIT_NAME_BYTES; size++)
        out[size] = strchr(plain, from[size]) != NULL ? from[size] : '-';
    out[size] = '\0';
    if (out[0] == '-' || out[0] == '.') out[0] = 'x';
}

static void answer(struct coordinator *c, bool to_client, zsock_peer peer, uint64_t request,
                   const char *name, const char *role)
{
    struct reply r;
    Farm__Joined m = FARM__JOINED__INIT;
    reply_init(&r);
    m.name = reply_name(&r, name, LIMIT_NAME_BYTES);
    m.role = reply_name(&r, role, LIMIT_BACKEND_BYTES);
    (void)outbound_reply(&c->outbound, to_client, peer, request, FARM__ENVELOPE__BODY_JOINED,
                         &m.base, OUTBOUND_COMMITTED);
    reply_finish(&r);
}

static void tell(struct coordinator *c, const struct token_entry *token, const char *name)
{
    char message[LIMIT_TEXT_BYTES];
    const bool worker = token->role == MESSAGE_FROM_WORKER;
    (void)snprintf(message, sizeof(message), "%s %s joined with token %s of %s (use %u of %u)",
                   token->role_name, name, token->id, token->by, (unsigned)token->used,
                   (unsigned)token->uses);
    shell_key_event(c, "key.joined", worker ? name : "", message);
    audit_note(c, &(struct audit_note){.by = name,
                                       .role = token->role_name,
                                       .action = "key.join",
                                       .subject = name,
                                       .detail = message,
                                       .allowed = true});
}

struct arrival {
    struct coordinator *c;
    const struct token_entry *token;
};

/* Keys go, and what was done under their names stays. Ephemeral workers come and go all day: names
 * of workers that left are theirs, unless something stands against the one before. */
static bool was_somebody(void *context, const char *name)
{
    const struct arrival *a = context;
    struct coordinator *c = a->c;
    struct worker_info worker;
    if (owners_has(&c->owners, name) || farm_has_owner(c->farm, name)) return true;
    if (a->token->ephemeral) return !namesake_may_come(c->farm, name);
    return farm_worker_info(c->farm, name, shell_now(c), &worker);
}

/* The key, the use of the token and what is told of it are one transaction. */
static void let_in(struct coordinator *c, const struct token_entry *token,
                   const uint8_t key[KEY_BYTES], const char *asked, char name[LIMIT_NAME_BYTES + 1])
{
    char wanted[LIMIT_NAME_BYTES + 1];
    struct store_token used;
    struct arrival arrival = {.c = c, .token = token};
    const bool named = token->name[0] != '\0';
    clean_name(named ? token->name : asked, token->role_name, wanted);
    keyring_free_name(&c->keyring, wanted, named, was_somebody, &arrival, name);
    struct store_key row = {.role = token->role_name,
                            .name = name,
                            .allowed_ms = clock_wall_ms(),
                            .token = token->id,
                            .ephemeral = token->ephemeral};
    memcpy(row.key, key, KEY_BYTES);
    store_key_allow(c->store, &row);
    keyring_put(&c->keyring, &row);
    if (token->role == MESSAGE_FROM_WORKER) namesake_comes(c->farm, name);
    if (tokens_use(&c->tokens, token->id, &used)) store_token_save(c->store, &used);
    tell(c, token, name);
}

/* It says what it speaks, as Hello does: a newer one may well speak ours, too. Who does not say
 * speaks what it said it in. */
static bool speaks_with_us(const Farm__Envelope *e, bool to_client, struct error *err)
{
    const uint32_t max = e->join->version_max != 0 ? e->join->version_max : e->version;
    const uint32_t min = e->join->version_max != 0 ? e->join->version_min : e->version;
    if (codec_version_choose(min, max) != 0) return true;
    return codec_version_refuse(to_client ? "client" : "worker", min, max, err);
}

static bool try_join(struct coordinator *c, const struct zsock_received *m, bool to_client,
                     const uint8_t key[KEY_BYTES], const Farm__Envelope *e, struct error *err)
{
    char name[LIMIT_NAME_BYTES + 1];
    if (!speaks_with_us(e, to_client, err)) return false;
    if (!shell_is_well(c, err)) return false;
    const struct token_entry *token =
        tokens_check(&c->tokens, e->join->token.data, e->join->proof.data, key,
                     c->server_key.public_key, to_client, clock_wall_ms(), err);
    if (token == NULL) return false;
    let_in(c, token, key, e->join->name, name);
    answer(c, to_client, m->peer, e->request, name, token->role_name);
    return true;
}

/* ---- whatever comes ---- */

/* It may have been allowed once, and wants more than to join. */
static const char client_words[] =
    "this key is not allowed: an admin runs `zoe client allow KEY --name NAME`, or join with "
    "`zoe client join TOKEN`";
static const char worker_words[] =
    "this key is not allowed: an admin runs `zoe worker allow KEY --name NAME`, or start the "
    "worker with `--join TOKEN`";

static void refuse(struct coordinator *c, const struct zsock_received *m, bool to_client,
                   uint64_t request, const struct error *why)
{
    mail_bye(c, to_client, m->peer, request, why);
    log_paced(&c->paces.join, shell_now(c), LOG_WARN, "refused to let %s join from=%s: %s", m->user,
              m->address, why->message);
    audit_note(c, &(struct audit_note){.by = m->user,
                                       .role = "",
                                       .action = "key.join",
                                       .subject = m->key,
                                       .detail = why->message,
                                       .allowed = false});
}

void joining_take(struct coordinator *c, const struct zsock_received *m, bool to_client)
{
    struct error err = {0};
    uint8_t key[KEY_BYTES];
    struct bytes payload = m->has_payload ? m->payload : (struct bytes){NULL, 0};
    if (strlen(m->key) != 2 * KEY_BYTES || !hex_decode(m->key, key, KEY_BYTES) ||
        !joiners_take(&c->joiners, key, clock_now_ns())) { /* it had its one word, or is late */
        c->bad_messages++;
        return;
    }
    struct message *message = codec_decode(m->envelope, payload, MESSAGE_FROM_JOINER, &err);
    uint64_t request = message != NULL ? message->envelope->request : codec_request_of(m->envelope);
    if (message == NULL) {
        c->bad_messages++;
        error_set(&err, ERROR_AUTH, "%s", to_client ? client_words : worker_words);
    }
    if (message == NULL || !try_join(c, m, to_client, key, message->envelope, &err))
        refuse(c, m, to_client, request, &err);
    message_free(message);
}

void joining_again(struct dispatch *d)
{
    answer(d->c, d->sender->role != MESSAGE_FROM_WORKER, d->peer, d->envelope->request,
           d->sender->name, d->sender->role_name);
}

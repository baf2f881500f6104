/* The way in, the same for both sockets but for sessions and roles. */
#include "coordinator/dispatch.h"

#include <string.h>

#include "base/log_pace.h"
#include "coordinator/audit.h"
#include "coordinator/joining.h"
#include "coordinator/mail.h"
#include "coordinator/quota.h"
#include "coordinator/shell.h"
#include "coordinator/turn.h"
#include "proto/codec.h"
#include "proto/limits.h"

static void count_bad(struct coordinator *c, const char *who, const struct error *err)
{
    c->bad_messages++;
    log_paced(&c->paces.bad_message, shell_now(c), LOG_WARN, "a bad message from=%s: %s", who,
              err->message);
}

/* A key that was revoked after its handshake. */
static const struct keyring_entry *find_sender(struct coordinator *c,
                                               const struct zsock_received *m, bool to_client)
{
    const struct keyring_entry *entry = keyring_find_text(&c->keyring, m->key);
    bool is_worker = entry != NULL && entry->role == MESSAGE_FROM_WORKER;
    if (entry != NULL && is_worker == !to_client) return entry;
    if (strncmp(m->user, KEYRING_JOINER, strlen(KEYRING_JOINER)) == 0) {
        joining_take(c, m, to_client);
        return NULL;
    }
    struct error why = {0};
    error_set(&why, ERROR_AUTH, "this key is not allowed here (any more)");
    mail_bye(c, to_client, m->peer, 0, &why);
    count_bad(c, m->user, &why);
    return NULL;
}

static struct message *decode(const struct zsock_received *m, enum message_from from,
                              struct error *err)
{
    struct bytes payload = m->has_payload ? m->payload : (struct bytes){NULL, 0};
    return codec_decode(m->envelope, payload, from, err);
}

/* What comes before a session, and says itself which versions its sender speaks. */
static bool is_greeting(const Farm__Envelope *e)
{
    return e->body_case == FARM__ENVELOPE__BODY_HELLO ||
           e->body_case == FARM__ENVELOPE__BODY_CLIENT_HELLO ||
           e->body_case == FARM__ENVELOPE__BODY_JOIN;
}

static bool speaks_our_version(const Farm__Envelope *e)
{
    return is_greeting(e) || (e->version >= PROTOCOL_MIN && e->version <= PROTOCOL_MAX);
}

static const struct dispatch_row *find_row(const struct dispatch_row *rows, size_t count,
                                           Farm__Envelope__BodyCase body)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].body == body) return &rows[i];
    }
    return NULL;
}

void dispatch_reply(struct dispatch *d, Farm__Envelope__BodyCase body, ProtobufCMessage *message)
{
    bool to_client = d->sender->role != MESSAGE_FROM_WORKER;
    (void)outbound_reply(&d->c->outbound, to_client, d->peer, d->envelope->request, body, message,
                         OUTBOUND_COMMITTED);
}

void dispatch_problem(struct dispatch *d, const struct error *err)
{
    bool to_client = d->sender->role != MESSAGE_FROM_WORKER;
    d->problem = err->code;
    (void)outbound_problem(&d->c->outbound, to_client, d->peer, d->envelope->request, err,
                           OUTBOUND_COMMITTED);
}

/* ---- workers ------------------------------------------------------------------------------------
 */

/* False: the connection has no session that counts. */
static bool find_session(struct dispatch *d)
{
    struct coordinator *c = d->c;
    if (is_greeting(d->envelope)) return true;
    d->session = session_of_peer(&c->sessions, d->peer);
    if (d->session != NULL && farm_heard(c->farm, d->session->epoch, d->now_ns)) return true;
    if (d->session != NULL) session_remove(&c->sessions, d->session);
    d->session = NULL;
    mail_who_are_you(c, false, d->peer, d->envelope->request);
    return false;
}

static void handle_worker(struct dispatch *d)
{
    size_t count = 0;
    const struct dispatch_row *rows = dispatch_worker_rows(&count);
    const struct dispatch_row *row = find_row(rows, count, d->envelope->body_case);
    if (row == NULL) {
        struct error err = {0};
        error_set(&err, ERROR_INVALID, "%s is not for a coordinator", d->message->kind->name);
        count_bad(d->c, d->sender->name, &err);
    } else if (!speaks_our_version(d->envelope)) {
        /* Agreed on with the program that ran here before: Hello agrees on another one. */
        mail_who_are_you(d->c, false, d->peer, d->envelope->request);
    } else if (find_session(d)) {
        row->handler(d);
    }
}

void dispatch_worker(void *context, const struct zsock_received *m)
{
    struct coordinator *c = context;
    struct error err = {0};
    shell_stir(c);
    if (c->stopping || c->unwell) return; /* what nobody answers, a worker says again */
    const struct keyring_entry *sender = find_sender(c, m, false);
    if (sender == NULL) return;
    struct message *message = decode(m, MESSAGE_FROM_WORKER, &err);
    if (message == NULL) {
        count_bad(c, sender->name, &err);
        return;
    }
    struct dispatch d = {.c = c,
                         .message = message,
                         .envelope = message->envelope,
                         .sender = sender,
                         .peer = m->peer,
                         .now_ns = shell_now(c)};
    handle_worker(&d);
    message_free(message);
}

/* ---- clients ------------------------------------------------------------------------------------
 */

static bool client_may(struct dispatch *d, struct error *err)
{
    const struct message_kind *kind = d->message->kind;
    if (!speaks_our_version(d->envelope)) {
        return error_set(err, ERROR_VERSION, "this coordinator speaks protocol %d to %d",
                         PROTOCOL_MIN, PROTOCOL_MAX);
    }
    if (message_may_send(kind, d->sender->role)) return true;
    const char *role = message_least_role(kind);
    return error_set(err, ERROR_AUTH,
                     "this needs the role %s; the key %s has %s: ask an admin for one that may "
                     "(`zoe client allow KEY --name NAME --role %s`)",
                     role, d->sender->name, d->sender->role_name, role);
}

/* Who may steer the farm may do so as fast as needed. */
static bool may_change_now(struct dispatch *d, struct error *err)
{
    if (d->sender->role != MESSAGE_FROM_SUBMIT || !audit_counts(d)) return true;
    return quota_change(d->c, d->sender->name, err);
}

/* True: it was a question, and is answered. */
static bool handle_client(struct dispatch *d)
{
    struct coordinator *c = d->c;
    struct error err = {0};
    size_t count = 0;
    const struct dispatch_row *rows = client_requests_rows(&count);
    const struct dispatch_row *row = find_row(rows, count, d->envelope->body_case);
    if (!is_greeting(d->envelope) && !audience_heard(&c->audience, d->peer, d->now_ns)) {
        mail_who_are_you(c, true, d->peer, d->envelope->request);
        return false;
    }
    bool ok = client_may(d, &err);
    if (ok && row == NULL) ok = error_set(&err, ERROR_INVALID, "nobody handles that");
    if (ok && row->changes) ok = shell_is_well(c, &err) && may_change_now(d, &err);
    if (ok) {
        row->handler(d);
    } else {
        dispatch_problem(d, &err);
    }
    audit_request(d);
    return ok && !row->changes;
}

void dispatch_client(void *context, const struct zsock_received *m)
{
    struct coordinator *c = context;
    struct error err = {0};
    const bool fresh = !c->stirred || c->only_asked;
    shell_stir(c);
    if (c->stopping) return;
    const struct keyring_entry *sender = find_sender(c, m, true);
    if (sender == NULL) return;
    struct message *message = decode(m, MESSAGE_FROM_ADMIN, &err);
    if (message == NULL) {
        uint64_t request = codec_request_of(m->envelope);
        count_bad(c, sender->name, &err);
        (void)outbound_problem(&c->outbound, true, m->peer, request, &err, OUTBOUND_ALWAYS);
        return;
    }
    const struct keyring_entry copy = *sender; /* it may revoke itself */
    struct dispatch d = {.c = c,
                         .message = message,
                         .envelope = message->envelope,
                         .sender = &copy,
                         .peer = m->peer,
                         .now_ns = shell_now(c)};
    const bool asked = handle_client(&d);
    message_free(message);
    if (asked && fresh) turn_answer(c);
}

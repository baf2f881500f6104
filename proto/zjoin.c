/* A DEALER that lives for one question. */
#include "proto/zjoin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/zmonitor.h"
#include "proto/zparts.h"
#include "proto/zsetup.h"

#define SLICE_MS 100

struct asking {
    const struct zjoin_options *o;
    const char *url;
    void *context, *socket, *monitor;
    bool strange; /* somebody else's key answers there */
    bool done;
    struct zjoin_answer *out;
};

static enum message_from hears(const struct token *t)
{
    return (t->flags & TOKEN_FLAG_CLIENT) != 0 ? MESSAGE_TO_CLIENT : MESSAGE_TO_WORKER;
}

static bool open_socket(struct asking *a, struct error *err)
{
    a->context = zmq_ctx_new();
    if (a->context != NULL) a->socket = zmq_socket(a->context, ZMQ_DEALER);
    if (a->socket == NULL) return error_set(err, ERROR_IO, "no socket: %s", zmq_strerror(errno));
    if (!zsetup_common(a->socket, err) || !zsetup_int(a->socket, ZMQ_LINGER, 0, err) ||
        !zsetup_dealer(a->socket, a->o->keys, a->o->token->server_key, err))
        return false;
    a->monitor = zmonitor_open(a->context, a->socket, err);
    return a->monitor != NULL && zsetup_connect(a->socket, a->url, err);
}

static void close_socket(struct asking *a)
{
    if (a->monitor != NULL) zmonitor_close(a->monitor, a->socket);
    if (a->socket != NULL) (void)zmq_close(a->socket);
    if (a->context != NULL) (void)zmq_ctx_term(a->context);
}

static bool say_join(struct asking *a, struct error *err)
{
    uint8_t id[TOKEN_ID_BYTES], key[TOKEN_KEY_BYTES], proof[TOKEN_PROOF_BYTES];
    struct buf packed = BUF_INIT;
    char *name = xstrdup(a->o->name);
    Farm__Join join = FARM__JOIN__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    memcpy(id, a->o->token->id, sizeof(id));
    token_key(a->o->token->secret, key);
    token_proof(key, a->o->keys->public_key, a->o->token->server_key, proof);
    memset(key, 0, sizeof(key));
    join.token = (ProtobufCBinaryData){sizeof(id), id};
    join.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    join.name = name;
    join.version_min = PROTOCOL_MIN;
    join.version_max = PROTOCOL_MAX;
    envelope.version = PROTOCOL_MAX;
    envelope.request = 1;
    envelope.body_case = FARM__ENVELOPE__BODY_JOIN;
    envelope.join = &join;
    bool ok = codec_encode(&envelope, MESSAGE_FROM_JOINER, &packed, err);
    if (ok) (void)zparts_send(a->socket, (struct bytes){packed.data, packed.size}, false);
    buf_finish(&packed);
    free(name);
    return ok;
}

static bool take_message(struct asking *a, const Farm__Envelope *e, struct error *err)
{
    if (e->body_case == FARM__ENVELOPE__BODY_BYE)
        return error_set(err, error_code_from_name(e->bye->code), "%s", e->bye->message);
    if (e->body_case == FARM__ENVELOPE__BODY_PROBLEM) return codec_problem_error(e->problem, err);
    if (e->body_case != FARM__ENVELOPE__BODY_JOINED) return true;
    (void)snprintf(a->out->name, sizeof(a->out->name), "%s", e->joined->name);
    (void)snprintf(a->out->role, sizeof(a->out->role), "%s", e->joined->role);
    (void)snprintf(a->out->endpoint, sizeof(a->out->endpoint), "%s", a->url);
    return a->done = true;
}

static bool receive(struct asking *a, struct error *err)
{
    struct zparts parts;
    bool ok = true;
    while (ok && !a->done && zparts_receive(a->socket, &parts) == ZPARTS_MESSAGE) {
        struct bytes none = {NULL, 0};
        struct message *m = codec_decode(zparts_bytes(&parts, 0), none, hears(a->o->token), NULL);
        if (m != NULL) ok = take_message(a, m->envelope, err);
        message_free(m);
        zparts_finish(&parts);
    }
    return ok;
}

static bool take_event(struct asking *a, enum zmonitor_event event, struct error *err)
{
    if (event == ZMONITOR_READY) return say_join(a, err);
    if (event == ZMONITOR_NO_HANDSHAKE) a->strange = true;
    if (event != ZMONITOR_KEY_REFUSED) return true;
    return error_set(err, ERROR_AUTH,
                     "the coordinator at %s lets nobody join: this token has expired, is used up "
                     "or was revoked; ask for a new one (`zoe token create`)",
                     a->url);
}

static bool turn(struct asking *a, struct error *err)
{
    enum zmonitor_event event = ZMONITOR_NOTHING;
    zmq_pollitem_t items[] = {{a->socket, 0, ZMQ_POLLIN, 0}, {a->monitor, 0, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, 2, SLICE_MS);
    while (zmonitor_next(a->monitor, &event)) {
        if (!take_event(a, event, err)) return false;
    }
    return receive(a, err);
}

static bool ask(struct asking *a, struct error *err)
{
    const int64_t until_ns = clock_now_ns() + a->o->timeout_ns;
    if (!open_socket(a, err)) return false;
    while (!a->done && clock_now_ns() < until_ns) {
        if (!turn(a, err)) return false;
    }
    return a->done ||
           error_set(err, ERROR_UNREACHABLE,
                     a->strange ? "%s answers, but lets nobody in: too many are joining just now, "
                                  "or it is not the coordinator of this token"
                                : "no coordinator answers at %s",
                     a->url);
}

bool zjoin(const struct zjoin_options *options, struct zjoin_answer *out, struct error *err)
{
    const struct token *t = options->token;
    for (size_t i = 0; i < t->endpoint_count; i++) {
        struct asking a = {.o = options, .url = t->endpoints[i], .out = out};
        error_clear(err);
        bool ok = ask(&a, err);
        close_socket(&a);
        if (ok) return true;
        if (err->code != ERROR_UNREACHABLE && err->code != ERROR_IO) return false;
    }
    return false;
}

/* A growing array, emptied once a turn. */
#include "coordinator/outbound.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log_pace.h"
#include "base/xalloc.h"
#include "coordinator/reply.h"
#include "proto/codec.h"
#include "proto/limits.h"

void outbound_init(struct outbound *o)
{
    *o = (struct outbound){0};
}

static void finish_item(struct outbound_item *item)
{
    buf_finish(&item->envelope);
    buf_finish(&item->payload);
}

void outbound_finish(struct outbound *o)
{
    for (size_t i = 0; i < o->count; i++)
        finish_item(&o->items[i]);
    free(o->items);
    *o = (struct outbound){0};
}

static struct outbound_item *add_item(struct outbound *o)
{
    if (o->count == o->capacity) {
        o->capacity = o->capacity == 0 ? 64 : 2 * o->capacity;
        o->items = xrealloc_array(o->items, o->capacity, sizeof(*o->items));
    }
    struct outbound_item *item = &o->items[o->count++];
    *item = (struct outbound_item){0};
    return item;
}

/* Who asked must not wait for an answer that never comes. A problem itself always fits. */
static void add_excuse(struct outbound *o, bool to_client, zsock_peer peer,
                       const Farm__Envelope *envelope, struct error *why, enum outbound_when when)
{
    log_paced(&o->unpacked, clock_now_ns(), LOG_ERROR, "%s: %s", message_name(envelope),
              why->message);
    if (envelope->request == 0 || envelope->body_case == FARM__ENVELOPE__BODY_PROBLEM) return;
    (void)error_wrap(why, "the answer");
    why->code = ERROR_INTERNAL;
    (void)outbound_problem(o, to_client, peer, envelope->request, why, when);
}

bool outbound_add(struct outbound *o, bool to_client, zsock_peer peer, Farm__Envelope *envelope,
                  struct bytes payload, enum outbound_when when)
{
    struct error err = {0};
    struct buf packed = BUF_INIT;
    envelope->version = PROTOCOL_MAX;
    if (!codec_encode(envelope, to_client ? MESSAGE_TO_CLIENT : MESSAGE_TO_WORKER, &packed, &err)) {
        buf_finish(&packed);
        add_excuse(o, to_client, peer, envelope, &err, when);
        return false;
    }
    struct outbound_item *item = add_item(o);
    item->to_client = to_client;
    item->when = when;
    item->peer = peer;
    item->request = envelope->request;
    item->envelope = packed;
    item->has_payload = payload.data != NULL;
    buf_append(&item->payload, payload.data, payload.size);
    return true;
}

bool outbound_reply(struct outbound *o, bool to_client, zsock_peer peer, uint64_t request,
                    Farm__Envelope__BodyCase body, ProtobufCMessage *message,
                    enum outbound_when when)
{
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    envelope.request = request;
    envelope.body_case = body;
    envelope.problem = (Farm__Problem *)message; /* all bodies are pointers in one union */
    return outbound_add(o, to_client, peer, &envelope, (struct bytes){NULL, 0}, when);
}

bool outbound_problem(struct outbound *o, bool to_client, zsock_peer peer, uint64_t request,
                      const struct error *problem, enum outbound_when when)
{
    struct reply r;
    Farm__Problem m = FARM__PROBLEM__INIT;
    reply_init(&r);
    m.code = reply_text(&r, error_name(problem->code), LIMIT_BACKEND_BYTES);
    m.message = reply_text(&r, problem->message, LIMIT_TEXT_BYTES);
    bool ok =
        outbound_reply(o, to_client, peer, request, FARM__ENVELOPE__BODY_PROBLEM, &m.base, when);
    reply_finish(&r);
    return ok;
}

/* In place: order does not matter between what is dropped and what stays. */
void outbound_fail(struct outbound *o, const struct error *why)
{
    struct outbound failed = *o;
    *o = (struct outbound){.unsent = failed.unsent, .unpacked = failed.unpacked};
    for (size_t i = 0; i < failed.count; i++) {
        struct outbound_item *item = &failed.items[i];
        if (item->when == OUTBOUND_ALWAYS) {
            *add_item(o) = *item;
            continue;
        }
        if (item->to_client && item->request != 0) {
            (void)outbound_problem(o, true, item->peer, item->request, why, OUTBOUND_ALWAYS);
        }
        finish_item(item);
    }
    free(failed.items);
}

void outbound_flush(struct outbound *o, struct zsock *workers, struct zsock *clients,
                    void (*gone)(void *context, bool to_client, zsock_peer peer), void *context)
{
    for (size_t i = 0; i < o->count; i++) {
        struct outbound_item *item = &o->items[i];
        struct bytes payload = {NULL, 0};
        if (item->has_payload) {
            payload = (struct bytes){(const uint8_t *)buf_text(&item->payload), item->payload.size};
        }
        enum zsock_result result =
            zsock_send(item->to_client ? clients : workers, item->peer,
                       (struct bytes){item->envelope.data, item->envelope.size}, payload);
        if (result == ZSOCK_GONE || result == ZSOCK_FULL) {
            o->unsent++;
            gone(context, item->to_client, item->peer);
        }
        finish_item(item);
    }
    o->count = 0;
}

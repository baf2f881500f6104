/* outbound: messages that wait for the end of the turn. Nothing leaves before the commit; when it
 * fails, only what does not depend on it leaves. Loop thread. */
#ifndef ZOE_COORDINATOR_OUTBOUND_H
#define ZOE_COORDINATOR_OUTBOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log_pace.h"
#include "proto/message.h"
#include "proto/zsock.h"

enum outbound_when {
    OUTBOUND_COMMITTED, /* only if this turn's writes are stored */
    OUTBOUND_ALWAYS,    /* says nothing about this turn's writes */
};

struct outbound_item {
    bool to_client;
    enum outbound_when when;
    zsock_peer peer;
    uint64_t request;
    struct buf envelope;
    struct buf payload;
    bool has_payload;
};

struct outbound {
    struct outbound_item *items;
    size_t count;
    size_t capacity;
    uint64_t unsent; /* messages that no longer had a receiver, ever */
    struct log_pace unpacked;
};

void outbound_init(struct outbound *o);
void outbound_finish(struct outbound *o);

/* Packs now; version is filled in. An envelope that breaks the rules, or is too large, is our bug:
 * logged, dropped and false; who asked gets a Problem(internal) in its place. `payload` is copied;
 * data NULL = none. */
bool outbound_add(struct outbound *o, bool to_client, zsock_peer peer, Farm__Envelope *envelope,
                  struct bytes payload, enum outbound_when when);
/* Short form for an answer without payload: `body` and its message. */
bool outbound_reply(struct outbound *o, bool to_client, zsock_peer peer, uint64_t request,
                    Farm__Envelope__BodyCase body, ProtobufCMessage *message,
                    enum outbound_when when);
bool outbound_problem(struct outbound *o, bool to_client, zsock_peer peer, uint64_t request,
                      const struct error *problem, enum outbound_when when);

/* The commit failed: what depended on it is dropped, its clients get `why` instead. */
void outbound_fail(struct outbound *o, const struct error *why);
/* Sends everything in order. `gone` is told of each peer that could not be reached or is too slow.
 */
void outbound_flush(struct outbound *o, struct zsock *workers, struct zsock *clients,
                    void (*gone)(void *context, bool to_client, zsock_peer peer), void *context);

#endif

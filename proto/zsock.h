/* zsock: a ROUTER or DEALER with CURVE on a libuv loop. A message is [envelope] or
 * [envelope][payload]; anything with more parts, an empty envelope, or from a peer that chose its
 * own routing id is dropped and counted. What a ROUTER bears from one connection is bounded
 * (zpeers.h). A turn receives 64 messages, and more (up to 1,024) while
 * it takes less than three milliseconds: many share one commit, and nobody waits long. All options
 * are set before bind or connect and each result is checked. Loop thread only; never call
 * zsock_close from inside on_receive's stack frame and use the zsock after it. */
#ifndef ZOE_PROTO_ZSOCK_H
#define ZOE_PROTO_ZSOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "proto/keys.h"
#include "proto/zpeers.h"

#define ZSOCK_TURN_MESSAGES 64 /* whatever they take */
#define ZSOCK_TURN_MOST 1024
#define ZSOCK_TURN_NS (3 * NS_PER_MS)

struct zsock;

/* A connection as the ROUTER numbers it: never 0, never used twice in a process life. A peer that
 * reconnects gets another one. Always 0 at a DEALER. */
typedef uint64_t zsock_peer;

struct zsock_received {
    zsock_peer peer;
    const char *user; /* User-Id given by the ZAP handler; "" at a DEALER */
    const char *key;  /* public key of the peer in hex, as the ZAP handler saw it; "" at a DEALER */
    const char *address; /* of the peer, for logs; "" when unknown */
    struct bytes envelope;
    struct bytes payload;
    bool has_payload;
};

/* What happened to the connection of a DEALER. */
enum zsock_event {
    ZSOCK_READY,        /* handshake done: say Hello; also after every reconnect */
    ZSOCK_LOST,         /* disconnected; the DEALER dials again by itself */
    ZSOCK_KEY_REFUSED,  /* the other end does not know our key (it dials again all the same) */
    ZSOCK_NO_HANDSHAKE, /* somebody answers, but not with this server key or protocol */
};

enum zsock_result {
    ZSOCK_SENT,   /* handed to ZeroMQ: not yet at the other end */
    ZSOCK_QUEUED, /* ROUTER: the peer is slow, kept in its queue */
    ZSOCK_FULL, /* ROUTER: the queue of that peer is full; DEALER: not connected or slow. Not sent.
                 */
    ZSOCK_GONE, /* ROUTER: there is no such peer any more */
};

/* Everything in *m is borrowed for the call. */
typedef void (*zsock_receive)(void *context, const struct zsock_received *m);
typedef void (*zsock_notice)(void *context, enum zsock_event event);
typedef void (*zsock_closed)(void *context);

struct zsock_options {
    bool router;
    const char *url;             /* bind (router) or connect; "tcp://127.0.0.1:*" binds any port */
    const struct key_pair *keys; /* copied into ZeroMQ, not kept */
    const uint8_t *server_key;   /* DEALER: KEY_BYTES of the other end */
    const char *zap_domain;      /* ROUTER */
    bool owner_polls;            /* see zsock_poll_events */
    const struct zpeers_limits *limits; /* ROUTER; NULL: those of limits.h */
    zsock_receive on_receive;
    zsock_notice on_event; /* DEALER only; may be NULL */
    void *context;
};

/* ZeroMQ's context, for everything in one process that speaks: NULL with err. Destroying waits (at
 * most the linger of a second) until every socket of it is closed, so run the loop until the
 * on_closed calls came. */
void *zsock_context_create(struct error *err);
void zsock_context_destroy(void *zmq_context);

/* ERROR_USAGE for a bad URL, ERROR_IO otherwise ("address already in use"). */
struct zsock *zsock_open(uv_loop_t *loop, void *zmq_context, const struct zsock_options *options,
                         struct error *err);

/* `payload.data == NULL`: none. Copies both. `peer` is 0 at a DEALER. */
enum zsock_result zsock_send(struct zsock *s, zsock_peer peer, struct bytes envelope,
                             struct bytes payload);

/* DEALER: gives its connection up and dials anew: for an end that is connected and does not answer.
 * What was on its way is lost. */
void zsock_redial(struct zsock *s);

/* Drops what is queued for a peer (its session ended). */
void zsock_forget(struct zsock *s, zsock_peer peer);

/* With owner_polls: call at the end of the owner's prepare callback, after commit and sends. */
void zsock_poll_events(struct zsock *s);

/* True when the last receive pass of this turn left nothing behind. */
bool zsock_is_drained(const struct zsock *s);

const char *zsock_endpoint(const struct zsock *s); /* bound or connected URL with the real port */

struct zsock_counts {
    uint64_t received;
    uint64_t sent;
    uint64_t malformed; /* wrong number of parts, empty envelope, chosen routing id, no User-Id */
    uint64_t queued;    /* now waiting for slow peers */
    uint64_t cut;       /* connections that were cut off */
    uint64_t unsent_bytes; /* ROUTER: in ZeroMQ or the kernel, as of the last looks (zpeers.h) */
};
struct zsock_counts zsock_counts(const struct zsock *s);

/* Unbinds or disconnects, closes with a linger of one second; on_closed (may be NULL) comes from
 * the loop. Then zmq_ctx_term may be called once all sockets of the context are closed. */
void zsock_close(struct zsock *s, zsock_closed on_closed, void *context);

#endif

/* zpeers: the connections of one ROUTER, by descriptor. ZeroMQ bounds a frame and counts whole
 * messages, but keeps the parts of a message that never ends without any bound, and a peer that
 * says nothing for ever. Here its monitor tells of connections and the kernel how much came through
 * each: what came and was not given to the owner is in ZeroMQ's memory. A connection beyond its
 * limits is shut down, and ZeroMQ lets go of it as if its peer had hung up. Knows nothing of what
 * messages say. Loop thread only. */
#ifndef ZOE_PROTO_ZPEERS_H
#define ZOE_PROTO_ZPEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct zpeers_limits {
    uint64_t held_bytes;         /* came through one connection and not given to the owner */
    uint64_t held_all_bytes;     /* through all: beyond it */
    uint64_t held_crowded_bytes; /* this is the limit of one */
    uint64_t unsent_bytes;       /* said to one connection and not arrived, ... */
    uint64_t unsent_all_bytes;   /* ... once it is so much to all */
    int64_t silent_ns;           /* from being accepted to the first whole message */
    size_t key_connections;      /* of one key that have said something */
    unsigned look_ms;            /* between two looks, at some hundred connections each */
};

struct zpeers;

/* NULL: what limits.h says. Destroyed by zpeers_close. */
struct zpeers *zpeers_create(const struct zpeers_limits *limits);
/* `socket` is a ROUTER with all its options that is not bound yet; it is borrowed until the call of
 * on_closed. False: close it all the same. */
bool zpeers_start(struct zpeers *p, uv_loop_t *loop, void *zmq_context, void *socket,
                  struct error *err);
void zpeers_close(struct zpeers *p, void (*on_closed)(void *context), void *context);

/* Takes in what the monitor has to tell. Before messages are received: a connection that is gone
 * must not answer for the next one with its descriptor. */
void zpeers_drain(struct zpeers *p);
/* A whole message of `wire_bytes` was received through `fd` from the peer `number` and `key` (hex;
 * "" when unknown). False: not to be read, for the connection is cut off. */
bool zpeers_heard(struct zpeers *p, int fd, uint32_t number, const char *key, size_t wire_bytes);
/* One part for that peer was handed to ZeroMQ. */
void zpeers_said(struct zpeers *p, uint32_t number, size_t part_bytes);
/* `why` follows "cut off a connection that ". */
void zpeers_cut(struct zpeers *p, int fd, const char *why);

size_t zpeers_count(const struct zpeers *p); /* connections now */
/* So far. ZeroMQ's one thread tells of a connection before it numbers it. */
uint64_t zpeers_accepted_count(const struct zpeers *p);
uint64_t zpeers_cut_count(const struct zpeers *p);
uint64_t zpeers_held_bytes(const struct zpeers *p); /* of all, as of the last looks */
uint64_t zpeers_unsent_bytes(const struct zpeers *p);

#endif

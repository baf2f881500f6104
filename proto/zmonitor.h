/* zmonitor: what happens to the connection of one DEALER, or which connections a ROUTER has, read
 * from ZeroMQ's monitor. What is not read yet waits without a bound: ZeroMQ's own thread, which
 * tells, must not. */
#ifndef ZOE_PROTO_ZMONITOR_H
#define ZOE_PROTO_ZMONITOR_H

#include <stdbool.h>

#include "base/error.h"

enum zmonitor_event {
    ZMONITOR_NOTHING, /* none waits, or one that does not matter */
    ZMONITOR_READY,
    ZMONITOR_LOST,
    ZMONITOR_KEY_REFUSED,
    ZMONITOR_NO_HANDSHAKE,
};

/* A connection of a ROUTER; its descriptor is told of before it is closed. */
struct zmonitor_change {
    bool accepted; /* or over */
    int fd;
};

/* Before connect or bind. Returns a PAIR socket that the caller watches and closes, or NULL. */
void *zmonitor_open(void *zmq_context, void *socket, struct error *err);
void *zmonitor_open_router(void *zmq_context, void *socket, struct error *err);
/* Next event that matters; false when none waits. Never blocks. */
bool zmonitor_next(void *monitor, enum zmonitor_event *out);
bool zmonitor_next_change(void *monitor, struct zmonitor_change *out); /* of a ROUTER */
/* Ends monitoring; before the socket itself is closed. */
void zmonitor_close(void *monitor, void *socket);

#endif

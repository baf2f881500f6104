/* zmonitor: what happens to the connection of one DEALER, read from ZeroMQ's monitor. */
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

/* Before connect. Returns a PAIR socket that the caller watches and closes, or NULL. */
void *zmonitor_open(void *zmq_context, void *socket, struct error *err);
/* Next event that matters; false when none waits. Never blocks. */
bool zmonitor_next(void *monitor, enum zmonitor_event *out);
/* Ends monitoring; before the socket itself is closed. */
void zmonitor_close(void *monitor, void *socket);

#endif

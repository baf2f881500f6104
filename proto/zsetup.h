/* zsetup: socket options, set before bind or connect, each result checked. */
#ifndef ZOE_PROTO_ZSETUP_H
#define ZOE_PROTO_ZSETUP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "proto/keys.h"

/* Limits, lingering, keep-alive and handshake times of limits.h, for any of our TCP sockets. */
bool zsetup_common(void *socket, struct error *err);
/* ZeroMQ's heartbeats, both ways: finds an end that is there and does not answer. Each of them has
 * timers at both ends, and ZeroMQ searches all timers of a process to take one back: for a client
 * that blocks on its socket, not for a socket of which there are thousands. */
bool zsetup_heartbeats(void *socket, struct error *err);
/* ROUTER: CURVE server with a ZAP domain that is enforced, MANDATORY. */
bool zsetup_router(void *socket, const struct key_pair *keys, const char *zap_domain,
                   struct error *err);
/* DEALER: CURVE client, queues nothing while there is no connection. */
bool zsetup_dealer(void *socket, const struct key_pair *keys, const uint8_t server_key[KEY_BYTES],
                   struct error *err);

bool zsetup_int(void *socket, int option, int value, struct error *err);
bool zsetup_bind(void *socket, const char *url, struct error *err);
bool zsetup_connect(void *socket, const char *url, struct error *err);
/* Dials anew, in place of whatever attempt is under way: ZeroMQ does so by itself after a lost
 * connection, but never after a protocol error, a refused key among them. */
bool zsetup_redial(void *socket, const char *url, struct error *err);
/* ZMQ_LAST_ENDPOINT. */
#define ZSETUP_ENDPOINT_SIZE 256
bool zsetup_endpoint(void *socket, char out[ZSETUP_ENDPOINT_SIZE], struct error *err);

#endif

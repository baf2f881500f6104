/* zid: the routing ids that a ROUTER gives: five bytes, a zero and a running number. A peer may
 * bring an id of its own, also one that looks like these. ZeroMQ does not tell which are which, and
 * ends the process when it comes to give one that a peer has brought: so where it begins is secret
 * from peers and known to us. */
#ifndef ZOE_PROTO_ZID_H
#define ZOE_PROTO_ZID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define ZID_BYTES 5

bool zid_read(struct bytes id, uint32_t *number); /* false: of another form */
void zid_write(uint32_t number, uint8_t out[ZID_BYTES]);

/* A ROUTER that begins anywhere; NULL with errno. */
void *zid_open_router(void *zmq_context);
/* The number of its first connection, which is our own and over at once: those of peers follow it.
 * Before any other can be. */
bool zid_learn_first(void *zmq_context, void *router, uint32_t *number, struct error *err);

#endif

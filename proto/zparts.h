/* zparts: the parts of multipart messages, received and sent without waiting. */
#ifndef ZOE_PROTO_ZPARTS_H
#define ZOE_PROTO_ZPARTS_H

#include <stdbool.h>
#include <zmq.h>

#include "base/buf.h"

#define ZPARTS_MAX 8

struct zparts {
    zmq_msg_t parts[ZPARTS_MAX];
    int count;          /* of `parts` that are filled */
    int extra;          /* parts beyond that: received and thrown away */
    size_t extra_bytes; /* of them, on the wire */
};

enum zparts_result { ZPARTS_MESSAGE, ZPARTS_NOTHING, ZPARTS_AGAIN };

/* ZPARTS_NOTHING: none waits. ZPARTS_AGAIN: a socket error. After ZPARTS_MESSAGE
 * the caller calls zparts_finish. */
enum zparts_result zparts_receive(void *socket, struct zparts *out);
void zparts_finish(struct zparts *p);
struct bytes zparts_bytes(struct zparts *p, int index); /* borrowed; data is never NULL */
/* What ZMTP and CURVE make of a part, to the byte: what is counted wrong would add up. */
size_t zparts_frame_bytes(size_t part_bytes);
/* What the message was on the wire, from part `first` on. */
size_t zparts_wire_bytes(const struct zparts *p, int first);
/* One part of a message, however many signals arrive meanwhile: half a message would leave a socket
 * that waits for its rest. As zmq_send. */
int zparts_send(void *socket, struct bytes part, bool more);

#endif

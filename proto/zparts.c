/* Receiving all parts of one message. */
#include "proto/zparts.h"

#include <errno.h>

#include "base/xalloc.h"

static bool more_follows(zmq_msg_t *part)
{
    return zmq_msg_more(part) != 0;
}

static int receive(zmq_msg_t *part, void *socket, int flags)
{
    int got = -1;
    do {
        got = zmq_msg_recv(part, socket, flags);
    } while (got < 0 && errno == EINTR);
    return got;
}

/* ZeroMQ delivers multipart messages whole, so only the first part can be missing. */
static bool receive_rest(void *socket, struct zparts *p)
{
    bool more = more_follows(&p->parts[0]);
    while (more) {
        zmq_msg_t part;
        ZOE_ASSERT(zmq_msg_init(&part) == 0);
        int got = receive(&part, socket, 0);
        more = got >= 0 && more_follows(&part);
        if (got >= 0 && p->count < ZPARTS_MAX) {
            p->parts[p->count++] = part;
            continue;
        }
        (void)zmq_msg_close(&part);
        if (got < 0) return false;
        p->extra++;
        p->extra_bytes += zparts_frame_bytes((size_t)got);
    }
    return true;
}

enum zparts_result zparts_receive(void *socket, struct zparts *out)
{
    out->count = 0;
    out->extra = 0;
    out->extra_bytes = 0;
    ZOE_ASSERT(zmq_msg_init(&out->parts[0]) == 0);
    if (receive(&out->parts[0], socket, ZMQ_DONTWAIT) < 0) {
        int reason = errno;
        (void)zmq_msg_close(&out->parts[0]);
        return reason == EAGAIN ? ZPARTS_NOTHING : ZPARTS_AGAIN;
    }
    out->count = 1;
    if (receive_rest(socket, out)) return ZPARTS_MESSAGE;
    zparts_finish(out);
    return ZPARTS_AGAIN;
}

void zparts_finish(struct zparts *p)
{
    for (int i = 0; i < p->count; i++)
        (void)zmq_msg_close(&p->parts[i]);
    p->count = 0;
}

struct bytes zparts_bytes(struct zparts *p, int index)
{
    static const uint8_t nothing[1];
    ZOE_ASSERT(index < p->count);
    size_t size = zmq_msg_size(&p->parts[index]);
    const uint8_t *data = zmq_msg_data(&p->parts[index]);
    return (struct bytes){data != NULL ? data : nothing, size};
}

size_t zparts_frame_bytes(size_t part_bytes)
{
    size_t boxed = part_bytes + 33; /* a command's name, nonce, authenticator and flags */
    return boxed + (boxed > UINT8_MAX ? 9 : 2);
}

size_t zparts_wire_bytes(const struct zparts *p, int first)
{
    size_t bytes = p->extra_bytes;
    for (int i = first; i < p->count; i++)
        bytes += zparts_frame_bytes(zmq_msg_size(&p->parts[i]));
    return bytes;
}

int zparts_send(void *socket, struct bytes part, bool more)
{
    int rc = -1;
    do {
        rc = zmq_send(socket, part.data, part.size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    } while (rc < 0 && errno == EINTR);
    return rc;
}

/* Learned by a message within the process: there is no other way to see an id. */
#include "proto/zid.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/id.h"
#include "proto/zparts.h"
#include "proto/zsetup.h"

bool zid_read(struct bytes id, uint32_t *number)
{
    if (id.size != ZID_BYTES || id.data[0] != 0) return false;
    *number = 0;
    for (int i = 1; i < ZID_BYTES; i++)
        *number = *number << 8 | id.data[i];
    return true;
}

void zid_write(uint32_t number, uint8_t out[ZID_BYTES])
{
    out[0] = 0;
    for (int i = 1; i < ZID_BYTES; i++)
        out[i] = (uint8_t)(number >> (8 * (ZID_BYTES - 1 - i)));
}

/* ZeroMQ takes the first number from rand(), and never seeds it: it was the same in every run. */
void *zid_open_router(void *zmq_context)
{
    srand((unsigned)id_random_u64());
    return zmq_socket(zmq_context, ZMQ_ROUTER);
}

static bool say_something(void *peer, const char *address, struct error *err)
{
    if (!zsetup_int(peer, ZMQ_LINGER, 0, err) || !zsetup_connect(peer, address, err)) return false;
    return zparts_send(peer, (struct bytes){(const uint8_t *)"?", 1}, false) >= 0 ||
           error_set(err, ERROR_IO, "a socket takes no message: %s", zmq_strerror(errno));
}

static bool read_from(void *router, uint32_t *number, struct error *err)
{
    struct zparts parts;
    bool ok = zparts_receive(router, &parts) == ZPARTS_MESSAGE;
    if (ok) {
        ok = zid_read(zparts_bytes(&parts, 0), number);
        zparts_finish(&parts);
    }
    return ok || error_set(err, ERROR_IO, "ZeroMQ does not number connections as it did");
}

bool zid_learn_first(void *zmq_context, void *router, uint32_t *number, struct error *err)
{
    char address[64];
    (void)snprintf(address, sizeof(address), "inproc://first-%016llx",
                   (unsigned long long)id_random_u64());
    void *peer = zmq_socket(zmq_context, ZMQ_DEALER);
    if (peer == NULL) return error_set(err, ERROR_IO, "no more sockets: %s", zmq_strerror(errno));
    bool ok = zsetup_bind(router, address, err) && say_something(peer, address, err) &&
              read_from(router, number, err);
    (void)zmq_close(peer);
    (void)zmq_unbind(router, address);
    return ok;
}

/* A monitor message is [event u16, value u32][address]. */
#include "proto/zmonitor.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "base/id.h"
#include "base/xalloc.h"
#include "proto/zparts.h"
#include "proto/zsetup.h"

#define EVENT_BYTES 6

/* A refused key comes as an authentication failure (ZAP said 400), a wrong server key as a closed
 * connection before the handshake ended. */
static const struct {
    uint16_t event;
    enum zmonitor_event meaning;
} meanings[] = {
    {ZMQ_EVENT_HANDSHAKE_SUCCEEDED, ZMONITOR_READY},
    {ZMQ_EVENT_DISCONNECTED, ZMONITOR_LOST},
    {ZMQ_EVENT_HANDSHAKE_FAILED_AUTH, ZMONITOR_KEY_REFUSED},
    {ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, ZMONITOR_NO_HANDSHAKE},
    {ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL, ZMONITOR_NO_HANDSHAKE},
};

/* ZeroMQ's thread would wait for us at the usual limit of a thousand. */
static void *open_pair(void *zmq_context, const char *address, struct error *err)
{
    void *pair = zmq_socket(zmq_context, ZMQ_PAIR);
    if (pair == NULL) {
        error_set(err, ERROR_IO, "no more sockets: %s", zmq_strerror(errno));
        return NULL;
    }
    if (zsetup_int(pair, ZMQ_LINGER, 0, err) && zsetup_int(pair, ZMQ_RCVHWM, 0, err) &&
        zsetup_connect(pair, address, err)) {
        return pair;
    }
    (void)zmq_close(pair);
    return NULL;
}

static void *open_for(void *zmq_context, void *socket, int events, struct error *err)
{
    char address[64];
    (void)snprintf(address, sizeof(address), "inproc://monitor-%016llx",
                   (unsigned long long)id_random_u64());
    if (zmq_socket_monitor(socket, address, events) != 0) {
        error_set(err, ERROR_IO, "cannot watch a connection: %s", zmq_strerror(errno));
        return NULL;
    }
    return open_pair(zmq_context, address, err);
}

void *zmonitor_open(void *zmq_context, void *socket, struct error *err)
{
    int events = 0;
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++)
        events |= meanings[i].event;
    return open_for(zmq_context, socket, events, err);
}

void *zmonitor_open_router(void *zmq_context, void *socket, struct error *err)
{
    return open_for(zmq_context, socket, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED, err);
}

/* False: none waits. */
static bool next_event(void *monitor, uint16_t *event, uint32_t *value)
{
    struct zparts parts;
    if (zparts_receive(monitor, &parts) != ZPARTS_MESSAGE) return false;
    struct bytes part = zparts_bytes(&parts, 0);
    *event = 0;
    *value = 0;
    if (part.size >= EVENT_BYTES) {
        memcpy(event, part.data, sizeof(*event));
        memcpy(value, part.data + sizeof(*event), sizeof(*value));
    }
    zparts_finish(&parts);
    return true;
}

static enum zmonitor_event meaning_of(uint16_t event)
{
    for (size_t i = 0; i < sizeof(meanings) / sizeof(meanings[0]); i++) {
        if (meanings[i].event == event) return meanings[i].meaning;
    }
    return ZMONITOR_NOTHING;
}

bool zmonitor_next(void *monitor, enum zmonitor_event *out)
{
    uint16_t event = 0;
    uint32_t value = 0;
    while (next_event(monitor, &event, &value)) {
        *out = meaning_of(event);
        if (*out != ZMONITOR_NOTHING) return true;
    }
    *out = ZMONITOR_NOTHING;
    return false;
}

bool zmonitor_next_change(void *monitor, struct zmonitor_change *out)
{
    uint16_t event = 0;
    uint32_t value = 0;
    while (next_event(monitor, &event, &value)) {
        *out = (struct zmonitor_change){.accepted = event == ZMQ_EVENT_ACCEPTED, .fd = (int)value};
        if (out->accepted || event == ZMQ_EVENT_DISCONNECTED) return true;
    }
    return false;
}

void zmonitor_close(void *monitor, void *socket)
{
    (void)zmq_socket_monitor(socket, NULL, 0);
    (void)zmq_close(monitor);
}

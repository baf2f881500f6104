/* bulk: the second connection, for bytes: opened on demand, joined to the control session by its
 * Hello, closed after ten idle seconds. Loop thread only. */
#ifndef ZOE_WORKER_BULK_H
#define ZOE_WORKER_BULK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/keys.h"
#include "proto/message.h"
#include "proto/zsock.h"

struct bulk;

struct bulk_host {
    void *context;
    void (*message)(void *context, const struct message *message);
    void (*ready)(void *context); /* its Hello is out: bytes may follow, all transfers start anew */
    void (*lost)(void *context);  /* what was under way may be lost; it dials again by itself */
    bool (*busy)(void *context);  /* is a transfer under way? then it stays open */
};

struct bulk_options {
    const char *url;
    const uint8_t *server_key;   /* KEY_BYTES */
    const struct key_pair *keys; /* borrowed for life */
    void *zmq_context;
    const uint8_t *boot_id; /* ID_BOOT_BYTES, borrowed for life */
    const char *machine_id; /* borrowed for life */
    struct bulk_host host;
};

struct bulk *bulk_create(uv_loop_t *loop, const struct bulk_options *options);
void bulk_close(struct bulk *b, void (*on_closed)(void *context), void *context);

/* Opens the connection for this session, which speaks this protocol version, unless it is open or
 * on its way; one of an older session is replaced, and one whose session was not known is opened
 * again a second later. */
void bulk_need(struct bulk *b, uint64_t session, uint32_t version);
bool bulk_is_ready(const struct bulk *b);
/* ZSOCK_FULL: not connected, or slow: again later. Fills in the version. */
enum zsock_result bulk_send(struct bulk *b, Farm__Envelope *envelope, struct bytes payload);

#endif

/* link: the control connection: Hello and Welcome, heartbeats, numbered messages, dialling again
 * for ever. What must not be lost while nobody is there is kept and told after the next Welcome.
 * Loop thread only. */
#ifndef ZOE_WORKER_LINK_H
#define ZOE_WORKER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "proto/keys.h"
#include "proto/message.h"
#include "proto/zsock.h"
#include "worker/attempt_name.h"
#include "worker/truth.h"

struct link;

struct link_host {
    void *context;
    void (*tell)(void *context, struct truth *truth); /* fill it: all of it */
    void (*joined)(void *context);                    /* after every Welcome */
    /* Anything but the link's own business; numbered ones come once. */
    void (*message)(void *context, const struct message *message);
    void (*refused)(void *context, int exit_code); /* no use in trying again: leave */
};

struct link_options {
    const char *url;
    const uint8_t *server_key; /* KEY_BYTES */
    const struct key_pair *keys;
    void *zmq_context;
    const char *machine_id;
    const char *host_name;
    struct link_host host;
};

/* Dials at once. */
struct link *link_create(uv_loop_t *loop, const struct link_options *options, struct error *err);
void link_close(struct link *l, void (*on_closed)(void *context), void *context);

bool link_is_joined(const struct link *l);
uint64_t link_session(const struct link *l); /* 0 before the first Welcome */
uint32_t link_version(const struct link *l); /* of the protocol, as agreed on for the session */
const uint8_t *link_boot_id(const struct link *l);
int64_t link_alone_ns(const struct link *l); /* how long without a coordinator; 0 when joined */

/* Fills in the version. False: nobody is there, or the connection is slow; said again by the
 * heartbeat, or by whoever wants an answer. */
bool link_send(struct link *l, Farm__Envelope *envelope);
/* Same, but kept until it has arrived, and the attempt is listed as held until it could be sent: a
 * connection that breaks may swallow it, and then it is said again. It may come twice. */
void link_report(struct link *l, const struct attempt_name *name, Farm__Envelope *envelope);
bool link_has_unsent(const struct link *l);
void link_beat(struct link *l); /* a heartbeat now: something that it tells has changed */

#endif

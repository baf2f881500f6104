/* dispatch: what comes in from the sockets: who sent it, may they, is it well-formed; then one row
 * of a table a message. Handlers call the core and queue answers; nothing leaves here. */
#ifndef ZOE_COORDINATOR_DISPATCH_H
#define ZOE_COORDINATOR_DISPATCH_H

#include "base/error.h"
#include "coordinator/keyring.h"
#include "coordinator/session.h"
#include "proto/message.h"
#include "proto/zsock.h"

struct coordinator;

/* One message being handled; everything borrowed. */
struct dispatch {
    struct coordinator *c;
    const struct message *message;
    const Farm__Envelope *envelope;
    const struct keyring_entry *sender;
    zsock_peer peer;
    struct session *session; /* worker socket; NULL for a Hello */
    int64_t now_ns;
    enum error_code problem;            /* what the sender was told */
    bool hidden;                        /* it asked for somebody else's batch */
    bool unchanged;                     /* what it wanted was so already */
    char subject[LIMIT_NAME_BYTES + 1]; /* for the audit log: what was meant; "" = as asked */
};

typedef void (*dispatch_handler)(struct dispatch *d);
struct dispatch_row {
    Farm__Envelope__BodyCase body;
    dispatch_handler handler;
    bool changes; /* client socket: refused while nothing can be stored */
};

/* Receive callbacks of the two sockets; the context is the coordinator. */
void dispatch_worker(void *context, const struct zsock_received *m);
void dispatch_client(void *context, const struct zsock_received *m);

/* The tables. */
const struct dispatch_row *dispatch_worker_rows(size_t *count_out);
const struct dispatch_row *client_requests_rows(size_t *count_out);

/* Answers to a client, or to whoever asked with `request`. */
void dispatch_reply(struct dispatch *d, Farm__Envelope__BodyCase body, ProtobufCMessage *message);
void dispatch_problem(struct dispatch *d, const struct error *err);

#endif

/* message: the table of what may be said on the wire, and a decoded message.
 *
 * To add a message: a row here, fields in farm.proto, a row per field in proto/validate_*.c, a
 * handler in the room that receives it, a paragraph in docs/protocol.md. */
#ifndef ZOE_PROTO_MESSAGE_H
#define ZOE_PROTO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "farm.pb-c.h"
#include "proto/arena.h"

/* Who speaks. Of clients, "operate" may say all that "submit" may, and "admin" all that there is.
 */
enum message_from {
    MESSAGE_FROM_WORKER = 1,
    MESSAGE_FROM_SUBMIT = 2,
    MESSAGE_FROM_ADMIN = 4,
    MESSAGE_TO_WORKER = 8,  /* the coordinator on its worker socket */
    MESSAGE_TO_CLIENT = 16, /* the coordinator on its client socket */
    MESSAGE_FROM_OPERATE = 32,
    MESSAGE_FROM_JOINER = 64, /* on either socket: a key that is not allowed yet */
};

struct message_kind {
    Farm__Envelope__BodyCase body;
    const char *name;   /* "batch_wanted": the field of the envelope */
    unsigned from;      /* who may send it: an OR of enum message_from */
    size_t limit_bytes; /* of the packed envelope */
    bool payload;       /* must be followed by one frame of payload */
};

/* All rows. */
const struct message_kind *message_kinds(size_t *count_out);
/* NULL for an unknown number (0 included). */
const struct message_kind *message_kind_find(Farm__Envelope__BodyCase body);
/* "batch_wanted", or "nothing" for an unknown body: for logs and errors. */
const char *message_name(const Farm__Envelope *envelope);
bool message_may_send(const struct message_kind *kind, enum message_from from);
/* The lowest role of a client that may send it; static, "" when none may. */
const char *message_least_role(const struct message_kind *kind);

/* Largest envelope that `from` may send: checked before a byte is parsed. */
size_t message_limit_bytes(enum message_from from);

/* Roles as keys carry them: "worker", "submit", "operate", "admin". False for anything else. */
bool message_role_parse(const char *role, enum message_from *out);
/* The other way; static, "" for who has no role. */
const char *message_role_name(enum message_from role);

struct message {
    const struct message_kind *kind; /* never NULL */
    const Farm__Envelope *envelope;  /* lives in the arena */
    struct bytes payload;            /* borrowed until message_keep_payload; size 0 when none */
    uint8_t *kept;                   /* owned copy of the payload, or NULL */
    struct arena arena;
};

/* Copies the borrowed payload so that the message can outlive the frame it came in. */
void message_keep_payload(struct message *m);
void message_free(struct message *m); /* everything; NULL is fine */

#endif

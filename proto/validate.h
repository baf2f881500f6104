/* validate: the rules of every field, as tables walked by descriptor. One table a message, one row
 * a field in the order of the field numbers; a unit test compares them with the descriptors. */
#ifndef ZOE_PROTO_VALIDATE_H
#define ZOE_PROTO_VALIDATE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum validate_kind {
    VALIDATE_ANY,         /* booleans and numbers that may be anything */
    VALIDATE_TEXT,        /* min..max bytes of UTF-8 */
    VALIDATE_NAME,        /* a text without control characters, min..max bytes */
    VALIDATE_BATCH_ID,    /* a batch id; min = 0 allows none */
    VALIDATE_BATCH_REF,   /* a batch id, a prefix of one, or "last"; min = 0 allows none */
    VALIDATE_PATH,        /* a safe relative path; min = 0 allows none */
    VALIDATE_DIGEST,      /* 32 bytes; min = 0 allows none */
    VALIDATE_BYTES,       /* exactly max bytes; min = 0 allows none */
    VALIDATE_SOME_BYTES,  /* min..max bytes */
    VALIDATE_RANGE,       /* a number in min..max (unsigned 64-bit compare for uint64) */
    VALIDATE_ENUM,        /* a known value, not below min */
    VALIDATE_SUB,         /* a sub-message; min = 1: required */
    VALIDATE_MANY,        /* repeated sub-messages, min..max of them */
    VALIDATE_MANY_TEXT,   /* repeated text, at most max, LIMIT_TEXT_BYTES each */
    VALIDATE_MANY_DIGEST, /* repeated digests, at most max, 32 bytes each */
};

struct validate_rule {
    const char *field;
    enum validate_kind kind;
    int64_t min;
    int64_t max;
};

struct validate_table {
    const ProtobufCMessageDescriptor *descriptor;
    const struct validate_rule *rules; /* descriptor->n_fields rows */
    size_t count;
    /* What concerns several fields at once; may be NULL. */
    bool (*extra)(const ProtobufCMessage *message, struct error *err);
};

/* The tables, by room of the protocol. */
const struct validate_table *validate_common_tables(size_t *count_out);
const struct validate_table *validate_worker_tables(size_t *count_out);
const struct validate_table *validate_client_tables(size_t *count_out);
const struct validate_table *validate_access_tables(size_t *count_out);
const struct validate_table *validate_find(const ProtobufCMessageDescriptor *descriptor);

/* Checks `message` and all below it. in_arena: its strings were allocated by proto/arena, so an
 * embedded NUL can be seen. The error names the field ("Hello.slots[2].backend"). */
bool validate_message(const ProtobufCMessage *message, bool in_arena, struct error *err);

#endif

/* reply: memory of one message that is being filled: clean copies of texts, arrays, digests. All of
 * it goes at once when the message is packed. */
#ifndef ZOE_COORDINATOR_REPLY_H
#define ZOE_COORDINATOR_REPLY_H

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

#include "base/digest.h"

struct reply_block;
struct reply {
    struct reply_block *blocks;
    size_t size_bytes; /* of all texts: what a page counts */
};

void reply_init(struct reply *r);
void reply_finish(struct reply *r);

/* Zeroed. */
void *reply_alloc(struct reply *r, size_t count, size_t size_bytes);
/* A copy that passes the codec: valid UTF-8, cut at limit_bytes. NULL becomes "". */
char *reply_text(struct reply *r, const char *text, size_t limit_bytes);
/* A copy of what is known to be good text, byte for byte (a recipe, whose digest counts). */
char *reply_copy(struct reply *r, const char *text);
/* As reply_text, but for names: control characters are replaced too. */
char *reply_name(struct reply *r, const char *text, size_t limit_bytes);
/* A zero digest becomes an empty field. */
ProtobufCBinaryData reply_digest(struct reply *r, const struct digest *d);

#endif

/* A list of allocations. */
#include "coordinator/reply.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "proto/codec.h"

struct reply_block {
    struct reply_block *next;
    max_align_t memory[];
};

void reply_init(struct reply *r)
{
    *r = (struct reply){0};
}

void reply_finish(struct reply *r)
{
    while (r->blocks != NULL) {
        struct reply_block *next = r->blocks->next;
        free(r->blocks);
        r->blocks = next;
    }
}

void *reply_alloc(struct reply *r, size_t count, size_t size_bytes)
{
    size_t total = 0;
    ZOE_ASSERT(size_mul(count, size_bytes, &total) &&
               size_add(total, sizeof(struct reply_block), &total));
    struct reply_block *block = xcalloc(1, total);
    block->next = r->blocks;
    r->blocks = block;
    return block->memory;
}

char *reply_text(struct reply *r, const char *text, size_t limit_bytes)
{
    if (text == NULL) text = "";
    char *clean = codec_clean_text(text, strlen(text), limit_bytes, false);
    size_t size = strlen(clean) + 1;
    char *copy = reply_alloc(r, 1, size);
    memcpy(copy, clean, size);
    r->size_bytes += size;
    free(clean);
    return copy;
}

char *reply_copy(struct reply *r, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = reply_alloc(r, 1, size);
    memcpy(copy, text, size);
    r->size_bytes += size;
    return copy;
}

char *reply_name(struct reply *r, const char *text, size_t limit_bytes)
{
    char *copy = reply_text(r, text, limit_bytes);
    for (char *c = copy; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\t') *c = ' ';
    }
    return copy;
}

ProtobufCBinaryData reply_digest(struct reply *r, const struct digest *d)
{
    if (digest_is_zero(d)) return (ProtobufCBinaryData){0, NULL};
    uint8_t *copy = reply_alloc(r, 1, DIGEST_BYTES);
    memcpy(copy, d->bytes, DIGEST_BYTES);
    return (ProtobufCBinaryData){DIGEST_BYTES, copy};
}

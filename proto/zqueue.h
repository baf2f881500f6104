/* zqueue: messages kept for one slow peer of a ROUTER, in order and within bounds. */
#ifndef ZOE_PROTO_ZQUEUE_H
#define ZOE_PROTO_ZQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct zqueue_item {
    struct zqueue_item *next;
    struct buf envelope;
    struct buf payload;
    bool has_payload;
};

struct zqueue {
    struct zqueue_item *first;
    struct zqueue_item *last;
    size_t count;
    size_t size_bytes;
};

/* Copies both. False when the message would pass the bounds of limits.h: nothing changed. */
bool zqueue_push(struct zqueue *q, struct bytes envelope, struct bytes payload);
void zqueue_pop(struct zqueue *q); /* drops the first; no-op when empty */
void zqueue_finish(struct zqueue *q);

#endif

/* A bounded list. */
#include "proto/zqueue.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "proto/limits.h"

bool zqueue_push(struct zqueue *q, struct bytes envelope, struct bytes payload)
{
    size_t size = envelope.size + payload.size;
    if (q->count >= LIMIT_PEER_QUEUE_MESSAGES) return false;
    if (size > LIMIT_PEER_QUEUE_BYTES - q->size_bytes) return false;
    struct zqueue_item *item = xcalloc(1, sizeof(*item));
    buf_append(&item->envelope, envelope.data, envelope.size);
    buf_append(&item->payload, payload.data, payload.size);
    item->has_payload = payload.data != NULL;
    if (q->last != NULL) {
        q->last->next = item;
    } else {
        q->first = item;
    }
    q->last = item;
    q->count++;
    q->size_bytes += size;
    return true;
}

void zqueue_pop(struct zqueue *q)
{
    struct zqueue_item *item = q->first;
    if (item == NULL) return;
    q->first = item->next;
    if (q->first == NULL) q->last = NULL;
    q->count--;
    q->size_bytes -= item->envelope.size + item->payload.size;
    buf_finish(&item->envelope);
    buf_finish(&item->payload);
    free(item);
}

void zqueue_finish(struct zqueue *q)
{
    while (q->first != NULL)
        zqueue_pop(q);
}

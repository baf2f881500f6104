/* Byte ranges only: no sockets, no files, no time. */
#include "proto/chunk.h"

#include "base/xalloc.h"
#include "proto/limits.h"

void chunk_sender_init(struct chunk_sender *s, uint64_t size_bytes)
{
    *s = (struct chunk_sender){.size_bytes = size_bytes};
}

bool chunk_sender_credit(struct chunk_sender *s, uint64_t offset, uint64_t size_bytes)
{
    if (offset > s->size_bytes || size_bytes > s->size_bytes - offset) return false;
    if (offset != s->limit) s->next = offset;
    s->limit = offset + size_bytes;
    return true;
}

bool chunk_sender_next(const struct chunk_sender *s, uint64_t *offset_out, uint32_t *size_out)
{
    if (s->next >= s->limit) return false;
    uint64_t left = s->limit - s->next;
    *offset_out = s->next;
    *size_out = left > LIMIT_CHUNK_BYTES ? LIMIT_CHUNK_BYTES : (uint32_t)left;
    return true;
}

void chunk_sender_sent(struct chunk_sender *s, uint32_t size_bytes)
{
    ZOE_ASSERT(size_bytes <= s->limit - s->next);
    s->next += size_bytes;
}

void chunk_sender_reset(struct chunk_sender *s)
{
    s->limit = s->next;
}

void chunk_receiver_init(struct chunk_receiver *r, uint64_t size_bytes, uint64_t have_bytes)
{
    ZOE_ASSERT(have_bytes <= size_bytes);
    *r = (struct chunk_receiver){.size_bytes = size_bytes,
                                 .received = have_bytes,
                                 .granted = have_bytes,
                                 .peak = have_bytes};
}

uint64_t chunk_receiver_outstanding(const struct chunk_receiver *r)
{
    return r->granted - r->received;
}

bool chunk_receiver_grant(struct chunk_receiver *r, uint64_t window_bytes, uint64_t pool_bytes,
                          uint64_t *offset_out, uint64_t *size_out)
{
    uint64_t outstanding = chunk_receiver_outstanding(r);
    if (outstanding >= window_bytes) return false;
    uint64_t size = window_bytes - outstanding;
    if (size > pool_bytes) size = pool_bytes;
    if (size > r->size_bytes - r->granted) size = r->size_bytes - r->granted;
    if (size == 0) return false;
    *offset_out = r->granted;
    *size_out = size;
    r->granted += size;
    if (r->granted > r->peak) r->peak = r->granted;
    return true;
}

static enum chunk_verdict gap(struct chunk_receiver *r)
{
    if (r->gap_seen) return CHUNK_STALE;
    r->gap_seen = true;
    r->granted = r->received;
    return CHUNK_GAP;
}

enum chunk_verdict chunk_receiver_accept(struct chunk_receiver *r, uint64_t offset,
                                         uint32_t size_bytes, uint32_t *skip_out)
{
    *skip_out = 0;
    if (offset > r->size_bytes || size_bytes > r->size_bytes - offset) return CHUNK_EXCESS;
    uint64_t end = offset + size_bytes;
    if (end <= r->received) return CHUNK_STALE;
    if (end > r->peak) return CHUNK_EXCESS;
    if (end > r->granted) return CHUNK_STALE;
    if (offset > r->received) return gap(r);
    *skip_out = (uint32_t)(r->received - offset);
    r->received = end;
    r->gap_seen = false;
    return CHUNK_TAKE;
}

void chunk_receiver_reset(struct chunk_receiver *r)
{
    r->granted = r->received;
    r->gap_seen = false;
}

bool chunk_receiver_is_done(const struct chunk_receiver *r)
{
    return r->received == r->size_bytes;
}

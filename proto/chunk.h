/* chunk: both ends of a credited, resumable transfer, as pure state machines.
 *
 * The receiver grants ranges ("send these bytes now"), the sender sends them in pieces of at most
 * LIMIT_CHUNK_BYTES, in order. Whatever is lost, doubled or late on the way, the receiver sees each
 * byte once and in order; the digest is checked elsewhere, at the end. */
#ifndef ZOE_PROTO_CHUNK_H
#define ZOE_PROTO_CHUNK_H

#include <stdbool.h>
#include <stdint.h>

struct chunk_sender {
    uint64_t size_bytes; /* of the whole */
    uint64_t next;       /* first byte not sent under the present credit */
    uint64_t limit;      /* end of the present credit */
};

void chunk_sender_init(struct chunk_sender *s, uint64_t size_bytes);
/* A grant. One that continues the present credit extends it; any other replaces it (the receiver
 * lost something or restarted). False when it lies outside the transfer: ignore it. */
bool chunk_sender_credit(struct chunk_sender *s, uint64_t offset, uint64_t size_bytes);
/* The next piece to send, or false when there is no credit left. A piece that could not be handed
 * over is simply not marked with chunk_sender_sent. */
bool chunk_sender_next(const struct chunk_sender *s, uint64_t *offset_out, uint32_t *size_out);
void chunk_sender_sent(struct chunk_sender *s, uint32_t size_bytes);
/* The connection is new: old credit is void, the receiver grants again. */
void chunk_sender_reset(struct chunk_sender *s);

struct chunk_receiver {
    uint64_t size_bytes;
    uint64_t received; /* all bytes before it are in */
    uint64_t granted;  /* end of what is granted now */
    uint64_t peak;     /* end of what was ever granted */
    bool gap_seen;     /* one report for each gap: what is still on the way is just stale */
};

enum chunk_verdict {
    CHUNK_TAKE,   /* write `size - skip` bytes from `skip` on */
    CHUNK_STALE,  /* already in, or sent under a grant that is void by now: nothing to do */
    CHUNK_GAP,    /* something before it was lost: grant again from `received` */
    CHUNK_EXCESS, /* not granted or beyond the end: the sender breaks the rules */
};

/* `have_bytes` of it are already here (resuming). */
void chunk_receiver_init(struct chunk_receiver *r, uint64_t size_bytes, uint64_t have_bytes);
/* Next range to grant: at most `window_bytes` outstanding in total and at most `pool_bytes` more.
 * False when nothing can or need be granted. Marks it granted. */
bool chunk_receiver_grant(struct chunk_receiver *r, uint64_t window_bytes, uint64_t pool_bytes,
                          uint64_t *offset_out, uint64_t *size_out);
/* A chunk came. On CHUNK_TAKE the caller writes and `received` has moved on; on CHUNK_GAP the
 * outstanding grants are void. */
enum chunk_verdict chunk_receiver_accept(struct chunk_receiver *r, uint64_t offset,
                                         uint32_t size_bytes, uint32_t *skip_out);
uint64_t chunk_receiver_outstanding(const struct chunk_receiver *r); /* granted and not yet in */
void chunk_receiver_reset(struct chunk_receiver *r); /* new connection: voids grants */
bool chunk_receiver_is_done(const struct chunk_receiver *r);

#endif

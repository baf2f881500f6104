/* A chunk stream: both ends and the wire between them do what the input says (grant, send, lose,
 * double, swap, reconnect, nonsense). Whatever happens, the receiver takes each byte once and in
 * order, and once the wire is sound again the transfer comes to its end. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/xalloc.h"
#include "proto/chunk.h"
#include "proto/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIRE_MAX 64
#define OPS_MAX 512
#define CALM_ROUNDS 4096

struct piece {
    uint64_t offset;
    uint32_t size_bytes;
};

struct stage {
    struct chunk_sender sender;
    struct chunk_receiver receiver;
    struct piece wire[WIRE_MAX];
    size_t on_wire;
    uint64_t taken; /* bytes that were written, in order */
};

static void grant(struct stage *s, uint64_t window, uint64_t pool)
{
    uint64_t offset = 0, bytes = 0;
    if (!chunk_receiver_grant(&s->receiver, window, pool, &offset, &bytes)) return;
    ZOE_ASSERT(bytes > 0 && bytes <= pool && offset + bytes <= s->receiver.size_bytes);
    ZOE_ASSERT(chunk_receiver_outstanding(&s->receiver) <= window);
    ZOE_ASSERT(chunk_sender_credit(&s->sender, offset, bytes));
}

static void send_one(struct stage *s)
{
    struct piece p = {0};
    if (s->on_wire == WIRE_MAX || !chunk_sender_next(&s->sender, &p.offset, &p.size_bytes)) return;
    ZOE_ASSERT(p.size_bytes > 0 && p.size_bytes <= LIMIT_CHUNK_BYTES);
    ZOE_ASSERT(p.offset + p.size_bytes <= s->sender.size_bytes);
    chunk_sender_sent(&s->sender, p.size_bytes);
    s->wire[s->on_wire++] = p;
}

static void take(struct stage *s, struct piece p)
{
    uint32_t skip = 0;
    const uint64_t before = s->receiver.received;
    const enum chunk_verdict v = chunk_receiver_accept(&s->receiver, p.offset, p.size_bytes, &skip);
    if (v != CHUNK_TAKE) {
        ZOE_ASSERT(s->receiver.received == before);
        return;
    }
    ZOE_ASSERT(skip < p.size_bytes && p.offset + skip == s->taken);
    s->taken = p.offset + p.size_bytes;
    ZOE_ASSERT(s->receiver.received == s->taken && s->taken <= s->receiver.size_bytes);
}

static void arrive(struct stage *s, size_t index, bool keep)
{
    if (s->on_wire == 0) return;
    index %= s->on_wire;
    const struct piece p = s->wire[index];
    if (!keep) {
        memmove(s->wire + index, s->wire + index + 1, (s->on_wire - index - 1) * sizeof(p));
        s->on_wire--;
    }
    take(s, p);
}

static void reconnect(struct stage *s)
{
    s->on_wire = 0;
    chunk_sender_reset(&s->sender);
    chunk_receiver_reset(&s->receiver);
}

/* Offsets and sizes that no honest peer sends. */
static void nonsense(struct stage *s, uint8_t a, uint8_t b)
{
    static const uint64_t places[] = {0, 1, UINT64_MAX, UINT64_MAX - 1, INT64_MAX, 1 << 18};
    const uint64_t place = places[a % 6] + s->taken * (b & 1U);
    take(s, (struct piece){place, (uint32_t)b * LIMIT_CHUNK_BYTES / 200});
    (void)chunk_sender_credit(&s->sender, places[b % 6], places[a % 5]);
}

static void act(struct stage *s, uint8_t op, uint8_t a)
{
    switch (op % 8) {
    case 0:
        grant(s, CREDIT_WINDOW_BYTES, (uint64_t)(a + 1) * 65536);
        break;
    case 1:
    case 2:
        send_one(s);
        break;
    case 3:
        arrive(s, 0, false);
        break;
    case 4:
        arrive(s, a, (op & 8) != 0); /* out of order, doubled */
        break;
    case 5:
        if (s->on_wire > 0) s->on_wire--; /* lost */
        break;
    case 6:
        reconnect(s);
        break;
    default:
        nonsense(s, a, op >> 3);
        break;
    }
}

static void go_on_calmly(struct stage *s)
{
    reconnect(s);
    for (int i = 0; i < CALM_ROUNDS && !chunk_receiver_is_done(&s->receiver); i++) {
        grant(s, CREDIT_WINDOW_BYTES, CREDIT_WINDOW_BYTES);
        send_one(s);
        arrive(s, 0, false);
    }
    ZOE_ASSERT(chunk_receiver_is_done(&s->receiver) && s->taken == s->receiver.size_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stage s = {0};
    if (size < 4) return 0;
    const uint64_t total = ((uint64_t)data[0] << 16 | (uint64_t)data[1] << 8 | data[2]) * 4 + 1;
    s.taken = total * data[3] / 255;
    if (s.taken == total) s.taken = 0;
    chunk_sender_init(&s.sender, total);
    chunk_receiver_init(&s.receiver, total, s.taken);
    for (size_t i = 4; i + 1 < size && i < OPS_MAX; i += 2)
        act(&s, data[i], data[i + 1]);
    go_on_calmly(&s);
    return 0;
}

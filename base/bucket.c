/* A nanosecond brings per_s billionths of a piece: whole numbers all the way. */
#include "base/bucket.h"

#define PIECE INT64_C(1000000000)

void bucket_init(struct bucket *b, int64_t burst, int64_t per_s, int64_t now_ns)
{
    *b = (struct bucket){burst, per_s, burst * PIECE, now_ns};
}

static void refill(struct bucket *b, int64_t now_ns)
{
    const int64_t missing = b->burst * PIECE - b->left, passed = now_ns - b->seen_ns;
    if (passed <= 0) return;
    b->seen_ns = now_ns;
    b->left += passed > missing / b->per_s ? missing : passed * b->per_s;
}

bool bucket_take(struct bucket *b, int64_t now_ns)
{
    refill(b, now_ns);
    if (b->left < PIECE) return false;
    b->left -= PIECE;
    return true;
}

bool bucket_is_full(struct bucket *b, int64_t now_ns)
{
    refill(b, now_ns);
    return b->left == b->burst * PIECE;
}

int64_t bucket_wait_ns(struct bucket *b, int64_t now_ns)
{
    refill(b, now_ns);
    return b->left >= PIECE ? 0 : (PIECE - b->left + b->per_s - 1) / b->per_s;
}

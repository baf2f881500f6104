/* Doubling waits; half of each is random, so that a crowd that lost its coordinator spreads out. */
#include "proto/backoff.h"

#include "base/xalloc.h"

void backoff_init(struct backoff *b, int64_t first_ns, int64_t cap_ns)
{
    ZOE_ASSERT(first_ns > 0 && cap_ns >= first_ns);
    *b = (struct backoff){.first_ns = first_ns, .cap_ns = cap_ns, .next_ns = first_ns};
}

int64_t backoff_next(struct backoff *b, uint64_t random)
{
    int64_t step = b->next_ns;
    b->next_ns = step > b->cap_ns / 2 ? b->cap_ns : 2 * step;
    int64_t half = step / 2;
    return step - half + (int64_t)(random % (uint64_t)(half + 1));
}

void backoff_reset(struct backoff *b)
{
    b->next_ns = b->first_ns;
}

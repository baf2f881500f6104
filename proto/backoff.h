/* backoff: growing waits with jitter, capped. Pure: the caller brings the randomness. */
#ifndef ZOE_PROTO_BACKOFF_H
#define ZOE_PROTO_BACKOFF_H

#include <stdint.h>

struct backoff {
    int64_t first_ns;
    int64_t cap_ns;
    int64_t next_ns;
};

void backoff_init(struct backoff *b, int64_t first_ns, int64_t cap_ns);
/* The wait before the next try: between 1/2 and 1/1 of a step that doubles up to the cap. */
int64_t backoff_next(struct backoff *b, uint64_t random);
void backoff_reset(struct backoff *b); /* it worked */

#endif

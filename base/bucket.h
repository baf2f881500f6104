/* bucket: a token bucket: so much at once, so much a second in the long run. Pure. */
#ifndef ZOE_BASE_BUCKET_H
#define ZOE_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    int64_t burst;
    int64_t per_s;
    int64_t left;    /* in billionths */
    int64_t seen_ns; /* when `left` was right */
};

/* Full. burst and per_s are 1 to 1,000,000,000. */
void bucket_init(struct bucket *b, int64_t burst, int64_t per_s, int64_t now_ns);
/* One piece, if there is one. Time never runs backwards for it. */
bool bucket_take(struct bucket *b, int64_t now_ns);
bool bucket_is_full(struct bucket *b, int64_t now_ns);
/* Until there is one; 0 = there is. */
int64_t bucket_wait_ns(struct bucket *b, int64_t now_ns);

#endif

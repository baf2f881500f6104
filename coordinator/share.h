/* share: who had how much of the farm lately (S2).
 *
 * A usage is slot-seconds that decay with a half-life of ten minutes. An attempt pays in advance
 * for the time it will probably take, so that what runs counts as well, and more when it takes
 * longer; what it did not use is held against its next payment. So usage only grows, but for its
 * decay, which is the same for all: the order of two usages changes only when one of them pays, and
 * share_key says it as a number that a heap can hold. */
#ifndef ZOE_COORDINATOR_SHARE_H
#define ZOE_COORDINATOR_SHARE_H

#include <stdint.h>

#define SHARE_DEFAULT 1

struct usage {
    double seconds; /* as of at_ns */
    double unused;  /* paid, and given back */
    int64_t at_ns;
};

struct owner { /* whose batches these are; one once seen stays */
    uint32_t number;
    uint32_t share; /* weight, at least 1 */
    struct usage usage;
    int64_t key; /* share_key of it all; only grows while the share stays */
};

void usage_pay(struct usage *u, int64_t duration_ns, int64_t now_ns);
void usage_give_back(struct usage *u, int64_t duration_ns);
double usage_now(const struct usage *u, int64_t now_ns); /* slot-seconds */

/* Less usage for its share = a smaller key; alike = the smaller `tie`. Never negative. */
int64_t share_key(const struct usage *u, uint32_t share, int64_t now_ns, uint32_t tie);

#endif

/* throttle: how often strangers may knock: a bucket for each address and one for all. The table of
 * addresses is bounded: when it is full, those that have been quiet are forgotten first, and an
 * address that finds no place shares the bucket of all such. Pure; one thread. */
#ifndef ZOE_PROTO_THROTTLE_H
#define ZOE_PROTO_THROTTLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bucket.h"
#include "base/table.h"

struct throttle {
    struct bucket all;
    struct bucket others; /* addresses without a place */
    struct table places;  /* address -> struct bucket */
    int64_t swept_ns;
};

void throttle_init(struct throttle *t, int64_t now_ns);
void throttle_finish(struct throttle *t);
/* May this address try (again) now? Counts as a try. */
bool throttle_allows(struct throttle *t, const char *address, int64_t now_ns);

#endif

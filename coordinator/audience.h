/* audience: the clients that said hello. A ROUTER is not told when a connection ends, so a client
 * counts as gone when nothing was heard of it for a while; one that speaks later is asked who it
 * is. Loop thread. */
#ifndef ZOE_COORDINATOR_AUDIENCE_H
#define ZOE_COORDINATOR_AUDIENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/table.h"
#include "proto/keys.h"
#include "proto/zsock.h"

/* Longer than the longest wait of a client between two messages (LIMIT_EVENT_WAIT_MS). */
#define AUDIENCE_SILENCE_NS (150 * NS_PER_S)

struct audience {
    struct table members; /* peer -> struct member */
};

struct member {
    zsock_peer peer;
    uint8_t key[KEY_BYTES];
    int64_t heard_ns;
};

void audience_init(struct audience *a);
void audience_finish(struct audience *a);

void audience_greet(struct audience *a, zsock_peer peer, const uint8_t key[KEY_BYTES],
                    int64_t now_ns);
/* False: it has not said hello, or too long ago. */
bool audience_heard(struct audience *a, zsock_peer peer, int64_t now_ns);
uint32_t audience_count(const struct audience *a);
/* Removes one that is silent for too long; false when there is none. Call it until it is false. */
bool audience_expire(struct audience *a, int64_t now_ns, zsock_peer *gone_out);
/* Removes one with this key, however lately it was heard; false when there is none (more). */
bool audience_dismiss(struct audience *a, const uint8_t key[KEY_BYTES], zsock_peer *gone_out);
/* When the next one expires at the earliest; INT64_MAX when nobody is here. */
int64_t audience_next(const struct audience *a);

#endif

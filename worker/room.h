/* room: how much must be free on a worker's disk before it takes on one more task (W5). */
#ifndef ZOE_WORKER_ROOM_H
#define ZOE_WORKER_ROOM_H

#include <stdint.h>

/* Results are taken to be so large at least: of what comes next nobody knows. */
#define ROOM_RESULT_BYTES (UINT64_C(8) << 20)

struct room { /* what it has taken on and not yet rendered; all 0 = nothing */
    uint64_t held_bytes;
    uint64_t largest_bytes;
};

/* A result of at most so many bytes more. */
void room_add(struct room *r, uint64_t result_bytes);

/* What must be free for one more: for two such results, and for one beside all that is held. What
 * was rendered before does not count. */
uint64_t room_bytes(const struct room *held, uint64_t result_bytes);

#endif

/* joiners: the places of keys that have come in to say Join, one a key, from its handshake to its
 * first message or until JOIN_WITHIN_NS are over. There are LIMIT_JOINERS; one address has an
 * eighth of them at most, so that who takes all that it can get is in nobody else's way. Pure; one
 * thread. */
#ifndef ZOE_COORDINATOR_JOINERS_H
#define ZOE_COORDINATOR_JOINERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "proto/keys.h"
#include "proto/limits.h"

struct joiners {
    struct table places;    /* key -> struct joiner, the first to go first */
    struct table addresses; /* text -> struct joiner_address, of those who have places */
};

void joiners_init(struct joiners *j);
void joiners_finish(struct joiners *j);

/* A place for the key of a handshake; one that it had is given up for it. False: there is none now,
 * or none for this address. */
bool joiners_add(struct joiners *j, const uint8_t key[KEY_BYTES], const char *address,
                 int64_t now_ns);
/* Gives the place up. False: it has none, or its time is over. */
bool joiners_take(struct joiners *j, const uint8_t key[KEY_BYTES], int64_t now_ns);

#endif

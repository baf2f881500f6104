/* expel: a key is not allowed any more, from this moment on: it finds no entry at its next message
 * or handshake, its session ends, its questions are forgotten, what its worker runs is lost, what
 * it was submitting or sending ends. What was accepted of it or published stays. Loop thread. */
#ifndef ZOE_COORDINATOR_EXPEL_H
#define ZOE_COORDINATOR_EXPEL_H

#include <stdbool.h>

#include "coordinator/keyring.h"

struct coordinator;

/* `entry` is gone afterwards. */
void expel_key(struct coordinator *c, const struct keyring_entry *entry);
/* Ephemeral keys whose workers have left, and left nothing to be judged. True: there are others,
 * look again later. */
bool expel_tick(struct coordinator *c);

#endif

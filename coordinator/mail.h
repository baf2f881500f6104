/* mail: the core's messages to workers, packed for the end of the turn. */
#ifndef ZOE_COORDINATOR_MAIL_H
#define ZOE_COORDINATOR_MAIL_H

#include <stdint.h>

#include "base/error.h"
#include "proto/zsock.h"

struct coordinator;

/* Every message effect of the turn; sessions that it ends are forgotten. */
void mail_pack(struct coordinator *c);
/* "Who are you": the connection has no session (any more). */
void mail_who_are_you(struct coordinator *c, bool to_client, zsock_peer peer, uint64_t request);
void mail_bye(struct coordinator *c, bool to_client, zsock_peer peer, uint64_t request,
              const struct error *why);

#endif

/* joining: keys that nobody has allowed yet. While a token is in force, the key check lets an
 * unknown key in under the name "join:..."; within JOIN_WITHIN_NS of its handshake such a key may
 * say Join, once, and nothing else. A right proof makes it a key like any other, and the connection
 * serves as if it had always been one; after anything else there is one Bye, and then silence. A
 * ROUTER cannot cut a connection off: what comes from it later is counted and dropped. Loop thread.
 */
#ifndef ZOE_COORDINATOR_JOINING_H
#define ZOE_COORDINATOR_JOINING_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/keys.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "proto/zsock.h"

struct coordinator;
struct dispatch;

/* The key check's question about an unknown key. ZAP_LATER: there is no place for it now
 * (joiners.h). */
enum zap_verdict joining_admit(struct coordinator *c, bool to_client, const uint8_t key[KEY_BYTES],
                               const char *address, char user_out[LIMIT_NAME_BYTES + 1]);
/* A message of a key that is not allowed (m->user begins with "join:"). */
void joining_take(struct coordinator *c, const struct zsock_received *m, bool to_client);
/* Join from a key that is allowed: its Joined was lost. The same answer again. */
void joining_again(struct dispatch *d);

#endif

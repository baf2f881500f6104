/* session: which connection is which worker's present epoch. The core decides who has a session;
 * this knows only where to send. A session has a control connection, and a bulk one while it
 * transfers. Loop thread. */
#ifndef ZOE_COORDINATOR_SESSION_H
#define ZOE_COORDINATOR_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/table.h"
#include "proto/limits.h"
#include "proto/zsock.h"

struct session {
    uint64_t epoch;
    zsock_peer control;
    zsock_peer bulk;  /* 0 = none */
    unsigned version; /* the protocol number agreed on */
    char worker[LIMIT_NAME_BYTES + 1];
};

struct sessions {
    struct table by_epoch; /* u64 -> struct session, owned */
    struct table by_peer;  /* u64 -> struct session */
};

void sessions_init(struct sessions *s);
void sessions_finish(struct sessions *s);
void sessions_clear(struct sessions *s); /* the core was loaded anew: nobody has a session */

/* A connection has one session at most: an older one of `control` is removed. */
struct session *session_add(struct sessions *s, uint64_t epoch, const char *worker,
                            zsock_peer control, unsigned version);
void session_join(struct sessions *s, struct session *session, zsock_peer bulk);
/* Borrowed; NULL when there is none. */
struct session *session_find(const struct sessions *s, uint64_t epoch);
struct session *session_of_peer(const struct sessions *s, zsock_peer peer);
void session_remove(struct sessions *s, struct session *session);

#endif

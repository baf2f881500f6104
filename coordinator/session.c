/* Two tables over the same sessions. */
#include "coordinator/session.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"

void sessions_init(struct sessions *s)
{
    table_init(&s->by_epoch);
    table_init(&s->by_peer);
}

void sessions_clear(struct sessions *s)
{
    struct session *session = NULL;
    for (size_t i = 0; (session = table_next(&s->by_epoch, &i, NULL, NULL)) != NULL;) {
        session_remove(s, session);
    }
}

void sessions_finish(struct sessions *s)
{
    sessions_clear(s);
    table_finish(&s->by_epoch);
    table_finish(&s->by_peer);
}

static void let_go(struct sessions *s, zsock_peer peer)
{
    struct session *old = session_of_peer(s, peer);
    if (old == NULL) return;
    if (old->bulk == peer) {
        old->bulk = 0;
        (void)table_remove_u64(&s->by_peer, peer);
    } else {
        session_remove(s, old);
    }
}

struct session *session_add(struct sessions *s, uint64_t epoch, const char *worker,
                            zsock_peer control, unsigned version)
{
    let_go(s, control);
    struct session *session = xcalloc(1, sizeof(*session));
    session->epoch = epoch;
    session->control = control;
    session->version = version;
    (void)snprintf(session->worker, sizeof(session->worker), "%s", worker);
    (void)table_set_u64(&s->by_epoch, epoch, session);
    (void)table_set_u64(&s->by_peer, control, session);
    return session;
}

void session_join(struct sessions *s, struct session *session, zsock_peer bulk)
{
    if (bulk == session->bulk || bulk == session->control) return;
    let_go(s, bulk);
    if (session->bulk != 0) (void)table_remove_u64(&s->by_peer, session->bulk);
    session->bulk = bulk;
    (void)table_set_u64(&s->by_peer, bulk, session);
}

struct session *session_find(const struct sessions *s, uint64_t epoch)
{
    return table_get_u64(&s->by_epoch, epoch);
}

struct session *session_of_peer(const struct sessions *s, zsock_peer peer)
{
    return table_get_u64(&s->by_peer, peer);
}

void session_remove(struct sessions *s, struct session *session)
{
    (void)table_remove_u64(&s->by_epoch, session->epoch);
    (void)table_remove_u64(&s->by_peer, session->control);
    if (session->bulk != 0) (void)table_remove_u64(&s->by_peer, session->bulk);
    free(session);
}

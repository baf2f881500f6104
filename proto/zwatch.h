/* zwatch: one ZeroMQ socket watched by a libuv loop.
 *
 * ZMQ_FD is edge-triggered and any send or receive may eat the edge, so readiness is asked for once
 * a turn: the poll handle only wakes the loop, a prepare handle reads ZMQ_EVENTS and starts an
 * empty idle handle so that the loop does not sleep, and a check handle calls `on_ready`, which
 * receives. Design seen in flux-core (ev_zmq) and zmq_libev. Loop thread only. */
#ifndef ZOE_PROTO_ZWATCH_H
#define ZOE_PROTO_ZWATCH_H

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

struct zwatch;
typedef void (*zwatch_call)(void *context);

struct zwatch {
    void *socket; /* borrowed */
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    int open_handles;
    bool pending; /* ZMQ_EVENTS said "readable" in this turn */
    zwatch_call on_ready;
    zwatch_call on_closed;
    void *context;
    void *closed_context;
};

/* on_ready is called from the check phase of a turn in which the socket is readable. With
 * `owner_polls` there is no prepare handle: the owner calls zwatch_poll_events in its own, after
 * its last send of the turn. The zwatch must not move until it is closed. */
bool zwatch_start(struct zwatch *w, uv_loop_t *loop, void *socket, bool owner_polls,
                  zwatch_call on_ready, void *context, struct error *err);
void zwatch_poll_events(struct zwatch *w);
/* Stops watching; on_closed comes when libuv has let go of everything, and only then may the socket
 * be closed. */
void zwatch_close(struct zwatch *w, zwatch_call on_closed, void *context);

#endif

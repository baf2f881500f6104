/* The four handles of one watched socket. */
#include "proto/zwatch.h"

#include <errno.h>
#include <zmq.h>

#include "base/xalloc.h"

static bool is_readable(void *socket)
{
    int events = 0;
    size_t size = sizeof(events);
    int rc = -1;
    do { /* the edge of its descriptor is gone: nobody would ask again */
        rc = zmq_getsockopt(socket, ZMQ_EVENTS, &events, &size);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 && (events & ZMQ_POLLIN) != 0;
}

/* Exists only so that the loop does not sleep while messages wait. */
static void on_idle(uv_idle_t *handle)
{
    (void)handle;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
}

void zwatch_poll_events(struct zwatch *w)
{
    if (!is_readable(w->socket)) return;
    w->pending = true;
    ZOE_ASSERT(uv_idle_start(&w->idle, on_idle) == 0);
}

static void on_prepare(uv_prepare_t *handle)
{
    zwatch_poll_events(handle->data);
}

/* A wake-up of this turn's poll phase counts as well as what the prepare phase saw. */
static void on_check(uv_check_t *handle)
{
    struct zwatch *w = handle->data;
    bool ready = w->pending || is_readable(w->socket);
    w->pending = false;
    (void)uv_idle_stop(&w->idle);
    if (ready) w->on_ready(w->context);
}

static bool start_handles(struct zwatch *w, uv_loop_t *loop, int fd, bool owner_polls)
{
    bool ok = uv_poll_init(loop, &w->poll, fd) == 0;
    if (!ok) return false;
    (void)uv_prepare_init(loop, &w->prepare);
    (void)uv_check_init(loop, &w->check);
    (void)uv_idle_init(loop, &w->idle);
    w->open_handles = 4;
    w->poll.data = w->prepare.data = w->check.data = w->idle.data = w;
    ok = uv_poll_start(&w->poll, UV_READABLE, on_poll) == 0;
    if (!owner_polls) (void)uv_prepare_start(&w->prepare, on_prepare);
    (void)uv_check_start(&w->check, on_check);
    return ok;
}

bool zwatch_start(struct zwatch *w, uv_loop_t *loop, void *socket, bool owner_polls,
                  zwatch_call on_ready, void *context, struct error *err)
{
    *w = (struct zwatch){.socket = socket, .on_ready = on_ready, .context = context};
    int fd = -1;
    size_t size = sizeof(fd);
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0) {
        return error_set_errno(err, errno, "a socket without a descriptor");
    }
    if (start_handles(w, loop, fd, owner_polls)) return true;
    return error_set(err, ERROR_IO, "the loop cannot watch a socket");
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct zwatch *w = handle->data;
    if (--w->open_handles == 0) w->on_closed(w->closed_context);
}

void zwatch_close(struct zwatch *w, zwatch_call on_closed, void *context)
{
    w->on_closed = on_closed;
    w->closed_context = context;
    if (w->open_handles == 0) {
        on_closed(context);
        return;
    }
    (void)uv_poll_stop(&w->poll);
    uv_close((uv_handle_t *)&w->poll, on_handle_closed);
    uv_close((uv_handle_t *)&w->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&w->check, on_handle_closed);
    uv_close((uv_handle_t *)&w->idle, on_handle_closed);
}

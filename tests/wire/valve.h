/* valve: stands between one DEALER and a ROUTER and lets so many of the DEALER's bytes through; the
 * rest is lost. libzmq's own sender keeps an unfinished message to itself: this is how one gets
 * onto the wire, without a second implementation of CURVE. */
#ifndef ZOE_TESTS_WIRE_VALVE_H
#define ZOE_TESTS_WIRE_VALVE_H

#include "wire/wire.h"

struct valve {
    uv_tcp_t listener;
    uv_tcp_t dealer;
    uv_tcp_t router;
    uv_connect_t dial;
    struct sockaddr_in to;
    uint64_t let_bytes;
    uint64_t passed_bytes;
    bool is_over;  /* the ROUTER hung up */
    bool has_left; /* the DEALER did */
    char url[64];
};

struct valve_write {
    uv_write_t request;
    char bytes[];
};

static inline void valve_written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static inline void valve_push(uv_tcp_t *to, const uv_buf_t *buffer, size_t size)
{
    struct valve_write *w = xcalloc(1, sizeof(*w) + size);
    memcpy(w->bytes, buffer->base, size);
    w->request.data = w;
    uv_buf_t out = uv_buf_init(w->bytes, (unsigned)size);
    if (uv_write(&w->request, (uv_stream_t *)to, &out, 1, valve_written) != 0) free(w);
}

static inline void valve_room(uv_handle_t *handle, size_t size, uv_buf_t *out)
{
    (void)handle;
    *out = uv_buf_init(xcalloc(1, size), (unsigned)size);
}

static inline void valve_from_dealer(uv_stream_t *from, ssize_t got, const uv_buf_t *buffer)
{
    struct valve *v = from->data;
    uint64_t size = got > 0 ? (uint64_t)got : 0;
    if (size > v->let_bytes - v->passed_bytes) size = v->let_bytes - v->passed_bytes;
    v->passed_bytes += size;
    if (size > 0) valve_push(&v->router, buffer, (size_t)size);
    if (got < 0) {
        v->has_left = true;
        (void)uv_read_stop(from);
    }
    free(buffer->base);
}

static inline void valve_from_router(uv_stream_t *from, ssize_t got, const uv_buf_t *buffer)
{
    struct valve *v = from->data;
    if (got > 0) valve_push(&v->dealer, buffer, (size_t)got);
    if (got < 0) {
        v->is_over = true;
        (void)uv_read_stop(from);
    }
    free(buffer->base);
}

static inline void valve_dialed(uv_connect_t *dial, int status)
{
    struct valve *v = dial->data;
    assert_int_equal(status, 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&v->dealer, valve_room, valve_from_dealer), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&v->router, valve_room, valve_from_router), 0);
}

static inline void valve_accept(uv_stream_t *listener, int status)
{
    struct valve *v = listener->data;
    assert_int_equal(status, 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)&v->dealer), 0);
    assert_int_equal(
        uv_tcp_connect(&v->dial, &v->router, (const struct sockaddr *)&v->to, valve_dialed), 0);
}

/* `endpoint` is the ROUTER's; v->url is for the DEALER, of which one may come. */
static inline void valve_open(struct wire *w, struct valve *v, const char *endpoint,
                              uint64_t let_bytes)
{
    unsigned port = 0;
    struct sockaddr_in at;
    int size = sizeof(at);
    *v = (struct valve){.let_bytes = let_bytes};
    assert_int_equal(sscanf(endpoint, "tcp://127.0.0.1:%u", &port), 1);
    assert_int_equal(uv_ip4_addr("127.0.0.1", (int)port, &v->to), 0);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    uv_tcp_t *const handles[] = {&v->listener, &v->dealer, &v->router};
    for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
        assert_int_equal(uv_tcp_init(&w->loop, handles[i]), 0);
        handles[i]->data = v;
    }
    v->dial.data = v;
    assert_int_equal(uv_tcp_bind(&v->listener, (const struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&v->listener, 1, valve_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&v->listener, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(v->url, sizeof(v->url), "tcp://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
}

/* *v itself when the loop has turned. After has_left: ZeroMQ does not bear that a connection breaks
 * while a socket with half a message is closed. */
static inline void valve_close(struct valve *v)
{
    uv_close((uv_handle_t *)&v->listener, NULL);
    uv_close((uv_handle_t *)&v->dealer, NULL);
    uv_close((uv_handle_t *)&v->router, NULL);
}

#endif

/* wire: what the wire tests share: a loop that runs until something is true, a server with keys,
 * and peers that speak as they like. */
#ifndef ZOE_TESTS_WIRE_WIRE_H
#define ZOE_TESTS_WIRE_WIRE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <uv.h>
#include <zmq.h>

#include "base/log.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "proto/keys.h"
#include "proto/zap.h"
#include "proto/zsock.h"

#define WIRE_PATIENCE_MS 30000

struct wire {
    uv_loop_t loop;
    void *context;
    struct zap *zap;
    struct key_pair server;
    struct table names; /* public key -> name (char *) */
    uv_timer_t patience;
    uv_timer_t tick;
    bool late;
    int closing;
};

static inline enum zap_verdict wire_decide(void *context, const char *domain,
                                           const uint8_t key[KEY_BYTES], const char *address,
                                           char user_out[LIMIT_NAME_BYTES + 1])
{
    struct wire *w = context;
    const char *name = table_get(&w->names, key, KEY_BYTES);
    if (name == NULL || strcmp(domain, "test") != 0 || address[0] == '\0') return ZAP_REFUSED;
    (void)snprintf(user_out, LIMIT_NAME_BYTES + 1, "%s", name);
    return ZAP_ALLOWED;
}

static inline void wire_late(uv_timer_t *timer)
{
    ((struct wire *)timer->data)->late = true;
}

static inline void wire_silent(void *context, enum log_level level, const char *line)
{
    (void)context;
    (void)level;
    (void)line;
}

static inline void wire_open(struct wire *w, bool with_zap)
{
    struct error err = {0};
    log_set_sink(wire_silent, NULL);
    *w = (struct wire){0};
    table_init(&w->names);
    keys_generate(&w->server);
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->patience), 0);
    assert_int_equal(uv_timer_init(&w->loop, &w->tick), 0);
    w->patience.data = w->tick.data = w;
    w->context = zsock_context_create(&err);
    assert_non_null(w->context);
    if (!with_zap) return;
    w->zap = zap_open(&w->loop, w->context, wire_decide, w, &err);
    assert_non_null(w->zap);
}

static inline void wire_allow(struct wire *w, const struct key_pair *keys, char *name)
{
    (void)table_set(&w->names, keys->public_key, KEY_BYTES, name);
}

static inline void wire_closed(void *context)
{
    ((struct wire *)context)->closing--;
}

static inline void wire_close_socket(struct wire *w, struct zsock *s)
{
    w->closing++;
    zsock_close(s, wire_closed, w);
}

/* Everything the test opened is closed by wire_close_socket or zmq_close before. */
static inline void wire_close(struct wire *w)
{
    if (w->zap != NULL) {
        w->closing++;
        zap_close(w->zap, wire_closed, w);
    }
    uv_close((uv_handle_t *)&w->patience, NULL);
    uv_close((uv_handle_t *)&w->tick, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(w->closing, 0);
    assert_int_equal(uv_loop_close(&w->loop), 0); /* no handle is left */
    zsock_context_destroy(w->context);
    table_finish(&w->names);
    log_set_sink(NULL, NULL);
}

static inline void wire_nothing(uv_timer_t *timer)
{
    (void)timer;
}

/* Runs the loop until `done`. With tick_ms > 0 it also turns that often; without, a lost wake-up of
 * a socket shows as a failure. */
typedef bool (*wire_condition)(void *context);
static inline void wire_until(struct wire *w, wire_condition done, void *context, unsigned tick_ms)
{
    w->late = false;
    (void)uv_timer_start(&w->patience, wire_late, WIRE_PATIENCE_MS, 0);
    if (tick_ms > 0) (void)uv_timer_start(&w->tick, wire_nothing, tick_ms, tick_ms);
    while (!done(context)) {
        if (w->late) fail_msg("nothing happened in %d ms", WIRE_PATIENCE_MS);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    (void)uv_timer_stop(&w->patience);
    (void)uv_timer_stop(&w->tick);
}

/* ZeroMQ frees a port a moment after its socket was closed: polls until this one can have it. */
static inline struct zsock *wire_bind(struct wire *w, const struct zsock_options *options)
{
    struct error err = {0};
    for (int ms = 0; ms < WIRE_PATIENCE_MS; ms++) {
        struct zsock *s = zsock_open(&w->loop, w->context, options, &err);
        if (s != NULL) return s;
        uv_sleep(1);
    }
    fail_msg("%s", err.message);
    return NULL;
}

/* Somebody else at our address: answers every connection like a web server and hangs up, until it
 * is told to leave. */
struct wire_impostor {
    uv_tcp_t tcp;
    char url[64];
    atomic_int visitors;             /* the server of a test may run in a thread of its own */
    void (*on_visit)(void *context); /* may be NULL */
    void *context;
};

static inline void wire_impostor_free(uv_handle_t *handle)
{
    free(handle);
}

static inline void wire_impostor_accept(uv_stream_t *listener, int status)
{
    static char words[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    struct wire_impostor *i = listener->data;
    uv_tcp_t *visitor = xcalloc(1, sizeof(*visitor));
    uv_buf_t text = uv_buf_init(words, sizeof(words) - 1);
    assert_int_equal(status, 0);
    assert_int_equal(uv_tcp_init(listener->loop, visitor), 0);
    assert_int_equal(uv_accept(listener, (uv_stream_t *)visitor), 0);
    (void)uv_try_write((uv_stream_t *)visitor, &text, 1);
    uv_close((uv_handle_t *)visitor, wire_impostor_free);
    i->visitors++;
    if (i->on_visit != NULL) i->on_visit(i->context);
}

static inline void wire_impostor_open(struct wire *w, struct wire_impostor *i)
{
    struct sockaddr_in at;
    struct sockaddr_storage got;
    int size = sizeof(got);
    assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &at), 0);
    assert_int_equal(uv_tcp_init(&w->loop, &i->tcp), 0);
    assert_int_equal(uv_tcp_bind(&i->tcp, (const struct sockaddr *)&at, 0), 0);
    i->tcp.data = i;
    assert_int_equal(uv_listen((uv_stream_t *)&i->tcp, 8, wire_impostor_accept), 0);
    assert_int_equal(uv_tcp_getsockname(&i->tcp, (struct sockaddr *)&got, &size), 0);
    memcpy(&at, &got, sizeof(at));
    (void)snprintf(i->url, sizeof(i->url), "tcp://127.0.0.1:%u", (unsigned)ntohs(at.sin_port));
}

/* Its port is free at once; *i itself when the loop has turned. */
static inline void wire_impostor_close(struct wire_impostor *i)
{
    uv_close((uv_handle_t *)&i->tcp, NULL);
}

/* A plain ZeroMQ DEALER with these keys (server_key NULL: without CURVE). */
static inline void *wire_raw(void *context, const char *url, const uint8_t *server_key,
                             const struct key_pair *keys)
{
    int linger = 0;
    void *socket = zmq_socket(context, ZMQ_DEALER);
    assert_non_null(socket);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger)), 0);
    if (server_key != NULL) {
        (void)zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key, KEY_BYTES);
        (void)zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_BYTES);
        (void)zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_BYTES);
    }
    assert_int_equal(zmq_connect(socket, url), 0);
    return socket;
}

static inline struct bytes wire_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

#endif

/* Real CURVE sockets on loopback ports that the kernel chose. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "wire/wire.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- signals, as the library tells of them ---- */

static int interrupt_every; /* calls; 0 = never */

static bool is_interrupted(void)
{
    static int calls;
    if (interrupt_every == 0 || ++calls % interrupt_every != 0) return false;
    errno = EINTR;
    return true;
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    assert_non_null(found);
    return found;
}

int zmq_send(void *socket, const void *bytes, size_t size, int flags)
{
    int (*call)(void *, const void *, size_t, int) = NULL;
    *(void **)&call = real("zmq_send");
    return is_interrupted() ? -1 : call(socket, bytes, size, flags);
}

int zmq_msg_recv(zmq_msg_t *part, void *socket, int flags)
{
    int (*call)(zmq_msg_t *, void *, int) = NULL;
    *(void **)&call = real("zmq_msg_recv");
    return is_interrupted() ? -1 : call(part, socket, flags);
}

int zmq_connect(void *socket, const char *url)
{
    int (*call)(void *, const char *) = NULL;
    *(void **)&call = real("zmq_connect");
    return is_interrupted() ? -1 : call(socket, url);
}

int zmq_disconnect(void *socket, const char *url)
{
    int (*call)(void *, const char *) = NULL;
    *(void **)&call = real("zmq_disconnect");
    return is_interrupted() ? -1 : call(socket, url);
}

int zmq_getsockopt(void *socket, int option, void *out, size_t *size)
{
    int (*call)(void *, int, void *, size_t *) = NULL;
    *(void **)&call = real("zmq_getsockopt");
    return option == ZMQ_EVENTS && is_interrupted() ? -1 : call(socket, option, out, size);
}

#include "proto/limits.h"

struct end {
    struct zsock *socket;
    int received;
    int ready;
    int lost;
    int refused;
    int strange;
    bool echo;
    zsock_peer peer;
    char user[LIMIT_NAME_BYTES + 1];
    char address[64];
    char key[KEY_TEXT_SIZE];
    char last[64];
    size_t payload_bytes;
    bool has_payload;
    int wanted;
};

static void on_receive(void *context, const struct zsock_received *m)
{
    struct end *e = context;
    e->received++;
    e->peer = m->peer;
    (void)snprintf(e->user, sizeof(e->user), "%s", m->user);
    (void)snprintf(e->key, sizeof(e->key), "%s", m->key);
    (void)snprintf(e->address, sizeof(e->address), "%s", m->address);
    (void)snprintf(e->last, sizeof(e->last), "%.*s", (int)m->envelope.size,
                   (const char *)m->envelope.data);
    e->payload_bytes = m->payload.size;
    e->has_payload = m->has_payload;
    if (!e->echo) return;
    assert_int_equal(zsock_send(e->socket, m->peer, m->envelope, m->payload), ZSOCK_SENT);
}

static void on_event(void *context, enum zsock_event event)
{
    struct end *e = context;
    if (event == ZSOCK_READY) e->ready++;
    if (event == ZSOCK_LOST) e->lost++;
    if (event == ZSOCK_KEY_REFUSED) e->refused++;
    if (event == ZSOCK_NO_HANDSHAKE) e->strange++;
}

static struct zsock *open_router(struct wire *w, struct end *e, const char *url)
{
    struct zsock_options o = {.router = true,
                              .url = url,
                              .keys = &w->server,
                              .zap_domain = "test",
                              .on_receive = on_receive,
                              .context = e};
    e->socket = wire_bind(w, &o);
    return e->socket;
}

static struct zsock *open_dealer(struct wire *w, struct end *e, const char *url,
                                 const struct key_pair *keys, const uint8_t *server_key)
{
    struct error err = {0};
    struct zsock_options o = {.url = url,
                              .keys = keys,
                              .server_key = server_key,
                              .on_receive = on_receive,
                              .on_event = on_event,
                              .context = e};
    e->socket = zsock_open(&w->loop, w->context, &o, &err);
    if (e->socket == NULL) fail_msg("%s", err.message);
    return e->socket;
}

static bool is_ready(void *context)
{
    return ((struct end *)context)->ready > 0;
}
static bool has_wanted(void *context)
{
    struct end *e = context;
    return e->received >= e->wanted;
}
static bool is_lost(void *context)
{
    return ((struct end *)context)->lost > 0;
}
static bool is_refused(void *context)
{
    return ((struct end *)context)->refused > 0;
}
static bool is_strange(void *context)
{
    return ((struct end *)context)->strange > 0 || ((struct end *)context)->lost > 0;
}

/* A router that echoes, and one allowed dealer that is connected. */
struct pair {
    struct wire wire;
    struct end server;
    struct end client;
    struct key_pair keys;
};

static void pair_open(struct pair *p)
{
    *p = (struct pair){0};
    wire_open(&p->wire, true);
    static char name[] = "alice";
    keys_generate(&p->keys);
    wire_allow(&p->wire, &p->keys, name);
    p->server.echo = true;
    open_router(&p->wire, &p->server, "tcp://127.0.0.1:*");
    open_dealer(&p->wire, &p->client, zsock_endpoint(p->server.socket), &p->keys,
                p->wire.server.public_key);
    wire_until(&p->wire, is_ready, &p->client, 0);
}

static void pair_close(struct pair *p)
{
    if (p->client.socket != NULL) wire_close_socket(&p->wire, p->client.socket);
    if (p->server.socket != NULL) wire_close_socket(&p->wire, p->server.socket);
    wire_close(&p->wire);
}

static void pair_still_works(struct pair *p)
{
    p->client.wanted = p->client.received + 1;
    assert_int_equal(zsock_send(p->client.socket, 0, wire_text("still"), (struct bytes){0}),
                     ZSOCK_SENT);
    wire_until(&p->wire, has_wanted, &p->client, 0);
    assert_string_equal(p->client.last, "still");
    assert_string_equal(p->server.user, "alice");
}

static void messages_and_payloads_arrive_with_the_name_of_the_key(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    uint8_t *big = xcalloc(1, LIMIT_CHUNK_BYTES);
    p.client.wanted = 1;
    assert_int_equal(
        zsock_send(p.client.socket, 0, wire_text("hello"), (struct bytes){big, LIMIT_CHUNK_BYTES}),
        ZSOCK_SENT);
    wire_until(&p.wire, has_wanted, &p.client, 0);
    assert_string_equal(p.server.user, "alice");
    assert_string_equal(p.server.address, "127.0.0.1");
    char key[KEY_TEXT_SIZE];
    keys_text(p.keys.public_key, key);
    assert_string_equal(p.server.key, key);
    assert_true(p.server.peer != 0);
    assert_int_equal(p.client.payload_bytes, LIMIT_CHUNK_BYTES);
    assert_string_equal(p.client.last, "hello");
    p.client.wanted = 2;
    (void)zsock_send(p.client.socket, 0, wire_text("empty"), (struct bytes){big, 0});
    wire_until(&p.wire, has_wanted, &p.client, 0);
    assert_true(p.client.has_payload); /* an empty payload is a payload */
    assert_int_equal(p.client.payload_bytes, 0);
    assert_true(zsock_is_drained(p.client.socket));
    pair_still_works(&p);
    assert_false(p.client.has_payload);
    free(big);
    pair_close(&p);
}

/* ZeroMQ learns that a peer has read only every half of its limit: a burst of the other half never
 * has to wait in our queue, whose timer would turn the loop. */
#define BURST (SOCKET_ROUTER_HWM / 2 - 4)
#define BURSTS 15

/* No timer turns this loop: one lost edge of the descriptor and it hangs. */
static void no_wake_up_is_lost_in_a_burst(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    for (int round = 1; round <= BURSTS; round++) {
        for (int i = 0; i < BURST; i++) {
            assert_int_equal(zsock_send(p.client.socket, 0, wire_text("x"), (struct bytes){0}),
                             ZSOCK_SENT);
        }
        p.client.wanted = round * BURST;
        wire_until(&p.wire, has_wanted, &p.client, 0);
    }
    assert_int_equal(p.server.received, BURST * BURSTS);
    pair_close(&p);
}

struct owner {
    struct zsock *socket;
    zsock_peer peer;
    int received;
    int sent;
    uv_prepare_t prepare;
};

static void owner_receive(void *context, const struct zsock_received *m)
{
    struct owner *o = context;
    o->received++;
    o->peer = m->peer;
}

/* The coordinator's way: answer at the end of the turn, then look at the events. */
static void owner_prepare(uv_prepare_t *handle)
{
    struct owner *o = handle->data;
    while (o->sent < o->received) {
        if (zsock_send(o->socket, o->peer, wire_text("y"), (struct bytes){0}) != ZSOCK_SENT) break;
        o->sent++;
    }
    zsock_poll_events(o->socket);
}

static void an_owner_may_send_at_the_end_of_its_turn(void **state)
{
    (void)state;
    struct wire w;
    struct owner o = {0};
    struct end client = {0};
    struct key_pair keys;
    struct error err = {0};
    static char name[] = "alice";
    wire_open(&w, true);
    keys_generate(&keys);
    wire_allow(&w, &keys, name);
    struct zsock_options options = {.router = true,
                                    .url = "tcp://127.0.0.1:*",
                                    .keys = &w.server,
                                    .zap_domain = "test",
                                    .owner_polls = true,
                                    .on_receive = owner_receive,
                                    .context = &o};
    o.socket = zsock_open(&w.loop, w.context, &options, &err);
    assert_non_null(o.socket);
    o.prepare.data = &o;
    (void)uv_prepare_init(&w.loop, &o.prepare);
    (void)uv_prepare_start(&o.prepare, owner_prepare);
    open_dealer(&w, &client, zsock_endpoint(o.socket), &keys, w.server.public_key);
    wire_until(&w, is_ready, &client, 0);
    for (int round = 1; round <= 200; round++) {
        for (int i = 0; i < 5; i++) {
            (void)zsock_send(client.socket, 0, wire_text("x"), (struct bytes){0});
        }
        client.wanted = 5 * round;
        wire_until(&w, has_wanted, &client, 0);
    }
    assert_int_equal(o.received, 1000);
    uv_close((uv_handle_t *)&o.prepare, NULL);
    wire_close_socket(&w, client.socket);
    wire_close_socket(&w, o.socket);
    wire_close(&w);
}

static void an_unknown_key_is_refused_and_told_so(void **state)
{
    (void)state;
    struct pair p;
    struct end stranger = {0};
    struct key_pair keys;
    pair_open(&p);
    keys_generate(&keys);
    open_dealer(&p.wire, &stranger, zsock_endpoint(p.server.socket), &keys,
                p.wire.server.public_key);
    wire_until(&p.wire, is_refused, &stranger, 0);
    assert_int_equal(zsock_send(stranger.socket, 0, wire_text("let me in"), (struct bytes){0}),
                     ZSOCK_FULL); /* there is no connection */
    assert_true(zap_refused(p.wire.zap) >= 1);
    pair_still_works(&p);
    assert_int_equal(p.server.received, 1);
    wire_close_socket(&p.wire, stranger.socket);
    pair_close(&p);
}

/* Children end all the time where clips are made: an answer that one of their signals broke off
 * left a key check that answered nobody any more. */
static void signals_break_no_message_off(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    for (interrupt_every = 2; interrupt_every < 12; interrupt_every++) {
        struct end client = {0};
        struct key_pair keys;
        static char name[] = "one of many";
        keys_generate(&keys);
        wire_allow(&p.wire, &keys, name);
        open_dealer(&p.wire, &client, zsock_endpoint(p.server.socket), &keys,
                    p.wire.server.public_key);
        wire_until(&p.wire, is_ready, &client, 0);
        wire_close_socket(&p.wire, client.socket);
        pair_still_works(&p);
    }
    interrupt_every = 0;
    pair_close(&p);
}

static void a_refused_key_gets_in_once_it_is_allowed(void **state)
{
    (void)state;
    struct pair p;
    struct end late = {0};
    struct key_pair keys;
    static char name[] = "late";
    pair_open(&p);
    keys_generate(&keys);
    open_dealer(&p.wire, &late, zsock_endpoint(p.server.socket), &keys, p.wire.server.public_key);
    wire_until(&p.wire, is_refused, &late, 0);
    wire_allow(&p.wire, &keys, name);
    wire_until(&p.wire, is_ready, &late, 0);
    late.wanted = 1;
    assert_int_equal(zsock_send(late.socket, 0, wire_text("now"), (struct bytes){0}), ZSOCK_SENT);
    wire_until(&p.wire, has_wanted, &late, 0);
    assert_string_equal(p.server.user, "late");
    wire_close_socket(&p.wire, late.socket);
    pair_close(&p);
}

static void a_wrong_server_key_does_not_connect(void **state)
{
    (void)state;
    struct pair p;
    struct end lost = {0};
    struct key_pair other;
    pair_open(&p);
    keys_generate(&other);
    open_dealer(&p.wire, &lost, zsock_endpoint(p.server.socket), &p.keys, other.public_key);
    wire_until(&p.wire, is_strange, &lost, 0);
    assert_int_equal(lost.ready, 0);
    pair_still_works(&p);
    wire_close_socket(&p.wire, lost.socket);
    pair_close(&p);
}

static void an_impostor_may_give_way_to_the_coordinator(void **state)
{
    (void)state;
    struct wire w;
    struct wire_impostor impostor = {0};
    struct end server = {0};
    struct end client = {0};
    struct key_pair keys;
    static char name[] = "alice";
    wire_open(&w, true);
    keys_generate(&keys);
    wire_allow(&w, &keys, name);
    wire_impostor_open(&w, &impostor);
    open_dealer(&w, &client, impostor.url, &keys, w.server.public_key);
    wire_until(&w, is_strange, &client, 0);
    wire_impostor_close(&impostor);
    open_router(&w, &server, impostor.url);
    wire_until(&w, is_ready, &client, 0);
    wire_close_socket(&w, client.socket);
    wire_close_socket(&w, server.socket);
    wire_close(&w);
}

static bool some_seconds(void *context)
{
    int *turns = context;
    return --*turns < 0;
}

static void without_a_key_check_nobody_gets_in(void **state)
{
    (void)state;
    struct wire w;
    struct end server = {0};
    struct end client = {0};
    struct key_pair keys;
    wire_open(&w, false);
    keys_generate(&keys);
    open_router(&w, &server, "tcp://127.0.0.1:*");
    open_dealer(&w, &client, zsock_endpoint(server.socket), &keys, w.server.public_key);
    wire_until(&w, is_strange, &client, 0);
    int turns = 20;
    wire_until(&w, some_seconds, &turns, 10);
    assert_int_equal(client.ready, 0);
    assert_int_equal(server.received, 0);
    wire_close_socket(&w, client.socket);
    wire_close_socket(&w, server.socket);
    wire_close(&w);
}

struct malformed {
    struct zsock *socket;
    uint64_t wanted;
};

static bool counted(void *context)
{
    struct malformed *m = context;
    return zsock_counts(m->socket).malformed >= m->wanted;
}

static void send_parts(void *raw, int count, const char *first)
{
    for (int i = 0; i < count; i++) {
        const char *text = i == 0 ? first : "part";
        int flags = i + 1 < count ? ZMQ_SNDMORE : 0;
        assert_true(zmq_send(raw, text, strlen(text), flags) >= 0);
    }
}

static void wrong_numbers_of_parts_are_dropped(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    void *raw = wire_raw(p.wire.context, zsock_endpoint(p.server.socket), p.wire.server.public_key,
                         &p.keys);
    send_parts(raw, 3, "x");
    send_parts(raw, 300, "x");
    send_parts(raw, 1, "");
    send_parts(raw, 2, "");
    struct malformed m = {p.server.socket, 4};
    wire_until(&p.wire, counted, &m, 0);
    assert_int_equal(p.server.received, 0);
    pair_still_works(&p);
    (void)zmq_close(raw);
    pair_close(&p);
}

static void a_chosen_routing_id_is_dropped(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    void *raw = zmq_socket(p.wire.context, ZMQ_DEALER);
    int linger = 0;
    (void)zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof(linger));
    assert_int_equal(zmq_setsockopt(raw, ZMQ_ROUTING_ID, "alice", 5), 0);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, p.wire.server.public_key, KEY_BYTES);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, p.keys.public_key, KEY_BYTES);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, p.keys.secret_key, KEY_BYTES);
    assert_int_equal(zmq_connect(raw, zsock_endpoint(p.server.socket)), 0);
    send_parts(raw, 1, "it is me");
    struct malformed m = {p.server.socket, 1};
    wire_until(&p.wire, counted, &m, 0);
    assert_int_equal(p.server.received, 0);
    pair_still_works(&p);
    (void)zmq_close(raw);
    pair_close(&p);
}

static int tcp_connect(const char *endpoint)
{
    unsigned port = 0;
    assert_int_equal(sscanf(endpoint, "tcp://127.0.0.1:%u", &port), 1);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void garbage_bytes_disturb_nobody(void **state)
{
    (void)state;
    static const char *const openings[] = {
        "GET / HTTP/1.1\r\nHost: farm\r\n\r\n",
        "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x03\x00",
        "\xff........\x7f\x03\x01NULL",
        "\x01",
    };
    struct pair p;
    pair_open(&p);
    int fds[sizeof(openings) / sizeof(openings[0])];
    for (size_t i = 0; i < sizeof(openings) / sizeof(openings[0]); i++) {
        fds[i] = tcp_connect(zsock_endpoint(p.server.socket));
        for (int n = 0; n < 100; n++) {
            (void)send(fds[i], openings[i], strlen(openings[i]), MSG_NOSIGNAL | MSG_DONTWAIT);
        }
    }
    void *plain = wire_raw(p.wire.context, zsock_endpoint(p.server.socket), NULL, NULL);
    send_parts(plain, 1, "without CURVE");
    for (int i = 0; i < 50; i++)
        pair_still_works(&p);
    assert_int_equal(p.server.received, 50);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        (void)close(fds[i]);
    (void)zmq_close(plain);
    pair_still_works(&p);
    pair_close(&p);
}

static void an_oversized_frame_costs_its_sender_the_connection(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    struct end glutton = {0};
    open_dealer(&p.wire, &glutton, zsock_endpoint(p.server.socket), &p.keys,
                p.wire.server.public_key);
    wire_until(&p.wire, is_ready, &glutton, 0);
    uint8_t *big = xcalloc(1, LIMIT_FRAME_BYTES + 1);
    (void)zsock_send(glutton.socket, 0, (struct bytes){big, LIMIT_FRAME_BYTES + 1},
                     (struct bytes){0});
    wire_until(&p.wire, is_lost, &glutton, 0);
    assert_int_equal(p.server.received, 0);
    pair_still_works(&p);
    glutton.ready = 0;
    wire_until(&p.wire, is_ready, &glutton, 0); /* and it may come back */
    free(big);
    wire_close_socket(&p.wire, glutton.socket);
    pair_close(&p);
}

struct gone {
    struct zsock *socket;
    zsock_peer peer;
};

static bool peer_is_gone(void *context)
{
    struct gone *g = context;
    return zsock_send(g->socket, g->peer, wire_text("there?"), (struct bytes){0}) == ZSOCK_GONE;
}

static void a_departed_peer_is_reported(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_still_works(&p);
    struct gone g = {p.server.socket, p.server.peer};
    assert_int_equal(
        zsock_send(p.server.socket, p.server.peer + 1, wire_text("x"), (struct bytes){0}),
        ZSOCK_GONE);
    wire_close_socket(&p.wire, p.client.socket);
    p.client.socket = NULL;
    wire_until(&p.wire, peer_is_gone, &g, 10);
    pair_close(&p);
}

struct reader {
    void *raw;
    uint32_t next;
    uint32_t wanted;
};

static bool read_all(void *context)
{
    struct reader *r = context;
    uint32_t number = 0;
    while (zmq_recv(r->raw, &number, sizeof(number), ZMQ_DONTWAIT) == (int)sizeof(number)) {
        int more = 0;
        size_t size = sizeof(more);
        (void)zmq_getsockopt(r->raw, ZMQ_RCVMORE, &more, &size);
        if (more) (void)zmq_recv(r->raw, NULL, 0, 0);
        if (number != r->next) fail_msg("message %u came instead of %u", number, r->next);
        r->next++;
    }
    return r->next >= r->wanted;
}

/* A peer that does not read: first ZeroMQ's queue, then ours, then a clear no; nothing that was
 * taken is lost or out of order. */
static void a_slow_peer_gets_everything_that_was_taken(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    void *own_context = zmq_ctx_new();
    void *raw =
        wire_raw(own_context, zsock_endpoint(p.server.socket), p.wire.server.public_key, &p.keys);
    send_parts(raw, 1, "I read nothing");
    p.server.echo = false;
    p.server.wanted = 1;
    wire_until(&p.wire, has_wanted, &p.server, 0);
    uint8_t *payload = xcalloc(1, 16384);
    uint32_t count = 0;
    enum zsock_result result = ZSOCK_SENT;
    bool was_queued = false;
    for (; count < 200000; count++) {
        struct bytes number = {(const uint8_t *)&count, sizeof(count)};
        result = zsock_send(p.server.socket, p.server.peer, number, (struct bytes){payload, 16384});
        if (result == ZSOCK_FULL) break;
        was_queued = was_queued || result == ZSOCK_QUEUED;
    }
    assert_int_equal(result, ZSOCK_FULL);
    assert_true(was_queued);
    assert_true(zsock_counts(p.server.socket).queued > 0);
    struct reader r = {raw, 0, count};
    wire_until(&p.wire, read_all, &r, 5);
    assert_int_equal(zsock_counts(p.server.socket).queued, 0);
    free(payload);
    (void)zmq_close(raw);
    (void)zmq_ctx_term(own_context);
    pair_close(&p);
}

static void after_a_restart_the_dealer_comes_back_under_another_number(void **state)
{
    (void)state;
    struct pair p;
    char url[128];
    pair_open(&p);
    pair_still_works(&p);
    (void)snprintf(url, sizeof(url), "%s", zsock_endpoint(p.server.socket));
    zsock_peer before = p.server.peer;
    p.client.ready = 0;
    wire_close_socket(&p.wire, p.server.socket);
    wire_until(&p.wire, is_lost, &p.client, 0);
    open_router(&p.wire, &p.server, url);
    wire_until(&p.wire, is_ready, &p.client, 0);
    pair_still_works(&p);
    assert_true(p.server.peer != before);
    pair_close(&p);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    struct pair p;
    struct error err = {0};
    pair_open(&p);
    struct zsock_options o = {.router = true,
                              .url = zsock_endpoint(p.server.socket),
                              .keys = &p.wire.server,
                              .zap_domain = "test",
                              .on_receive = on_receive};
    assert_null(zsock_open(&p.wire.loop, p.wire.context, &o, &err));
    assert_int_equal(err.code, ERROR_IO);
    o.url = "nonsense";
    assert_null(zsock_open(&p.wire.loop, p.wire.context, &o, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    o.url = "tcp://127.0.0.1:99999";
    assert_null(zsock_open(&p.wire.loop, p.wire.context, &o, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(
        zap_open(&p.wire.loop, p.wire.context, wire_decide, NULL, &err)); /* one is enough */
    pair_still_works(&p);
    pair_close(&p);
}

struct back {
    struct pair *pair;
    zsock_peer before;
};

/* The old connection is closed, the new one is another peer. */
static bool is_back(void *context)
{
    const struct back *b = context;
    return b->pair->client.ready == 2 &&
           zsock_send(b->pair->server.socket, b->before, wire_text("x"), (struct bytes){0}) ==
               ZSOCK_GONE;
}

static void a_dealer_dials_anew_when_it_is_told_to(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_still_works(&p);
    struct back back = {&p, p.server.peer};
    zsock_redial(p.client.socket);
    wire_until(&p.wire, is_back, &back, 10);
    pair_still_works(&p);
    assert_int_not_equal(p.server.peer, back.before);
    pair_close(&p);
}

static int tcp_option(int level, int name)
{
    int found[2] = {0}; /* of the two ends of the one connection */
    size_t count = 0;
    for (int fd = 0; fd < 256; fd++) {
        struct sockaddr_in peer;
        socklen_t length = sizeof(peer), size = sizeof(int);
        if (getpeername(fd, (struct sockaddr *)&peer, &length) != 0) continue;
        if (peer.sin_family != AF_INET || count == 2) continue;
        assert_int_equal(getsockopt(fd, level, name, &found[count++], &size), 0);
    }
    assert_int_equal(count, 2);
    assert_int_equal(found[0], found[1]);
    return found[0];
}

/* A ROUTER is told of no end: the kernel is what lets go of peers that vanished without a word. */
static void the_kernel_watches_idle_connections(void **state)
{
    (void)state;
    struct pair p;
    pair_open(&p);
    pair_still_works(&p);
    assert_int_equal(tcp_option(SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPIDLE), SOCKET_KEEPALIVE_IDLE_S);
    assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPINTVL), SOCKET_KEEPALIVE_INTERVAL_S);
    assert_int_equal(tcp_option(IPPROTO_TCP, TCP_KEEPCNT), SOCKET_KEEPALIVE_COUNT);
    assert_int_equal(tcp_option(IPPROTO_TCP, TCP_USER_TIMEOUT), SOCKET_UNSENT_MS);
    pair_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_and_payloads_arrive_with_the_name_of_the_key),
        cmocka_unit_test(no_wake_up_is_lost_in_a_burst),
        cmocka_unit_test(an_owner_may_send_at_the_end_of_its_turn),
        cmocka_unit_test(an_unknown_key_is_refused_and_told_so),
        cmocka_unit_test(signals_break_no_message_off),
        cmocka_unit_test(a_refused_key_gets_in_once_it_is_allowed),
        cmocka_unit_test(a_wrong_server_key_does_not_connect),
        cmocka_unit_test(an_impostor_may_give_way_to_the_coordinator),
        cmocka_unit_test(without_a_key_check_nobody_gets_in),
        cmocka_unit_test(wrong_numbers_of_parts_are_dropped),
        cmocka_unit_test(a_chosen_routing_id_is_dropped),
        cmocka_unit_test(garbage_bytes_disturb_nobody),
        cmocka_unit_test(an_oversized_frame_costs_its_sender_the_connection),
        cmocka_unit_test(a_departed_peer_is_reported),
        cmocka_unit_test(a_slow_peer_gets_everything_that_was_taken),
        cmocka_unit_test(after_a_restart_the_dealer_comes_back_under_another_number),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(a_dealer_dials_anew_when_it_is_told_to),
        cmocka_unit_test(the_kernel_watches_idle_connections),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

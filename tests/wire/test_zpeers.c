/* What a ROUTER bears from its connections: real CURVE sockets on loopback. */
#include "wire/wire.h"

#include <signal.h>

#include "proto/limits.h"
#include "proto/zid.h"
#include "proto/zparts.h"
#include "proto/zpeers.h"
#include "proto/zsetup.h"
#include "wire/valve.h"

#define MIB (UINT64_C(1024) * 1024)

static const struct zpeers_limits usual = {.held_bytes = LIMIT_HELD_BYTES,
                                           .held_all_bytes = LIMIT_HELD_ALL_BYTES,
                                           .held_crowded_bytes = LIMIT_HELD_CROWDED_BYTES,
                                           .unsent_bytes = LIMIT_UNSENT_BYTES,
                                           .unsent_all_bytes = LIMIT_UNSENT_ALL_BYTES,
                                           .silent_ns = PEER_SILENT_NS,
                                           .key_connections = LIMIT_KEY_CONNECTIONS,
                                           .look_ms = 5};

/* ---- a router and its honest client, which speaks again and again ---- */

struct end {
    struct zsock *socket;
    int received;
    int wanted;
    int ready;
    int lost;
    int wanted_lost;
    zsock_peer peer;
};

struct farm {
    struct wire wire;
    struct end server;
    struct end client;
    struct key_pair keys; /* of the client */
    struct key_pair others;
};

static void on_receive(void *context, const struct zsock_received *m)
{
    struct end *e = context;
    e->received++;
    e->peer = m->peer;
}

static void on_event(void *context, enum zsock_event event)
{
    struct end *e = context;
    if (event == ZSOCK_READY) e->ready++;
    if (event == ZSOCK_LOST) e->lost++;
}

static bool has_wanted(void *context)
{
    const struct end *e = context;
    return e->received >= e->wanted;
}

static bool is_ready(void *context)
{
    return ((struct end *)context)->ready > 0;
}

static bool is_lost(void *context)
{
    const struct end *e = context;
    return e->lost >= e->wanted_lost;
}

static void dial(struct farm *f, struct end *e, const char *url, const struct key_pair *keys)
{
    struct error err = {0};
    struct zsock_options o = {.url = url,
                              .keys = keys,
                              .server_key = f->wire.server.public_key,
                              .on_receive = on_receive,
                              .on_event = on_event,
                              .context = e};
    *e = (struct end){.wanted_lost = 1};
    e->socket = zsock_open(&f->wire.loop, f->wire.context, &o, &err);
    if (e->socket == NULL) fail_msg("%s", err.message);
    wire_until(&f->wire, is_ready, e, 0);
}

static void say(struct farm *f, struct end *e)
{
    assert_int_equal(zsock_send(e->socket, 0, wire_text("x"), (struct bytes){0}), ZSOCK_SENT);
    f->server.wanted = f->server.received + 1;
}

static void say_and_be_heard(struct farm *f, struct end *e)
{
    say(f, e);
    wire_until(&f->wire, has_wanted, &f->server, 0);
}

static void farm_open(struct farm *f, const struct zpeers_limits *limits)
{
    static char name[] = "alice";
    static char other[] = "mallory";
    *f = (struct farm){0};
    wire_open(&f->wire, true);
    keys_generate(&f->keys);
    keys_generate(&f->others);
    wire_allow(&f->wire, &f->keys, name);
    wire_allow(&f->wire, &f->others, other);
    struct zsock_options o = {.router = true,
                              .url = "tcp://127.0.0.1:*",
                              .keys = &f->wire.server,
                              .zap_domain = "test",
                              .limits = limits,
                              .on_receive = on_receive,
                              .context = &f->server};
    f->server.socket = wire_bind(&f->wire, &o);
    dial(f, &f->client, zsock_endpoint(f->server.socket), &f->keys);
    say_and_be_heard(f, &f->client);
}

/* The honest one was never in danger. */
static void farm_close(struct farm *f)
{
    say_and_be_heard(f, &f->client);
    assert_int_equal(f->client.lost, 0);
    wire_close_socket(&f->wire, f->client.socket);
    wire_close_socket(&f->wire, f->server.socket);
    wire_close(&f->wire);
}

static bool is_cut(void *context)
{
    const struct end *e = context;
    return zsock_counts(e->socket).cut >= (uint64_t)e->wanted;
}

static bool hung_up(void *context)
{
    return ((struct valve *)context)->is_over;
}

/* ---- messages without an end ---- */

static void *send_without_end(struct farm *f, struct valve *v, uint64_t let_bytes)
{
    static const uint8_t part[LIMIT_CHUNK_BYTES];
    valve_open(&f->wire, v, zsock_endpoint(f->server.socket), let_bytes);
    void *raw = wire_raw(f->wire.context, v->url, f->wire.server.public_key, &f->others);
    for (int i = 0; i < 64; i++) {
        assert_true(zmq_send(raw, part, sizeof(part), i < 63 ? ZMQ_SNDMORE : 0) >= 0);
    }
    return raw;
}

static bool has_left(void *context)
{
    return ((struct valve *)context)->has_left;
}

static void leave(struct farm *f, struct valve *v, void *raw)
{
    (void)zmq_close(raw);
    wire_until(&f->wire, has_left, v, 0);
    valve_close(v);
}

static void a_message_without_an_end_is_cut(void **state)
{
    (void)state;
    struct farm f;
    struct valve v;
    struct zpeers_limits limits = usual;
    limits.held_bytes = MIB;
    farm_open(&f, &limits);
    void *raw = send_without_end(&f, &v, 8 * MIB);
    wire_until(&f.wire, hung_up, &v, 0);
    assert_int_equal(zsock_counts(f.server.socket).cut, 1);
    assert_int_equal(zsock_counts(f.server.socket).malformed, 0);
    leave(&f, &v, raw);
    farm_close(&f);
}

static void together_they_may_hold_less(void **state)
{
    (void)state;
    struct farm f;
    struct valve valves[3];
    void *raws[3];
    struct zpeers_limits limits = usual;
    limits.held_all_bytes = 5 * MIB;
    farm_open(&f, &limits);
    for (int i = 0; i < 3; i++)
        raws[i] = send_without_end(&f, &valves[i], 2 * MIB);
    f.server.wanted = 1;
    wire_until(&f.wire, is_cut, &f.server, 0);
    for (int i = 0; i < 3; i++)
        leave(&f, &valves[i], raws[i]);
    farm_close(&f);
}

static void a_whole_message_of_any_size_is_counted_whole(void **state)
{
    (void)state;
    static const uint8_t part[4096];
    struct farm f;
    struct zpeers_limits limits = usual;
    limits.held_bytes = 2 * MIB;
    farm_open(&f, &limits);
    void *raw = wire_raw(f.wire.context, zsock_endpoint(f.server.socket), f.wire.server.public_key,
                         &f.others);
    for (int round = 1; round <= 8; round++) { /* eight megabytes, none of them well-formed */
        for (int i = 0; i < 256; i++)
            assert_true(zmq_send(raw, part, sizeof(part), i < 255 ? ZMQ_SNDMORE : 0) >= 0);
        while (zsock_counts(f.server.socket).malformed < (uint64_t)round)
            say_and_be_heard(&f, &f.client);
    }
    assert_int_equal(zsock_counts(f.server.socket).cut, 0);
    (void)zmq_close(raw);
    farm_close(&f);
}

/* ---- what waits for a slow owner: a ROUTER that nobody receives from ---- */

#define WAITING 200 /* more than ZeroMQ takes in */

struct slow {
    struct wire wire;
    void *router;
    struct zpeers *peers;
    uint64_t wanted_bytes;
    int looks;
    int received;
};

static bool holds_enough(void *context)
{
    struct slow *s = context;
    return zpeers_held_bytes(s->peers) >= s->wanted_bytes;
}

static bool has_looked_on(void *context)
{
    return --((struct slow *)context)->looks < 0;
}

static void receive_all(struct slow *s, int part_count)
{
    struct zparts parts;
    zpeers_drain(s->peers);
    while (zparts_receive(s->router, &parts) == ZPARTS_MESSAGE) {
        zmq_msg_t *part = &parts.parts[1];
        assert_int_equal(parts.count, part_count);
        uint32_t number = 0;
        assert_true(zid_read(zparts_bytes(&parts, 0), &number));
        assert_true(zpeers_heard(s->peers, zmq_msg_get(part, ZMQ_SRCFD), number,
                                 zmq_msg_gets(part, ZAP_KEY_PROPERTY),
                                 zparts_wire_bytes(&parts, 1)));
        zparts_finish(&parts);
        s->received++;
    }
}

static bool has_all(void *context)
{
    struct slow *s = context;
    receive_all(s, 3);
    return s->received == WAITING;
}

static void slow_open(struct slow *s, const struct zpeers_limits *limits,
                      char endpoint[ZSETUP_ENDPOINT_SIZE])
{
    struct error err = {0};
    *s = (struct slow){0};
    wire_open(&s->wire, true);
    s->router = zmq_socket(s->wire.context, ZMQ_ROUTER);
    s->peers = zpeers_create(limits);
    if (!zsetup_common(s->router, &err) ||
        !zsetup_router(s->router, &s->wire.server, "test", &err) ||
        !zpeers_start(s->peers, &s->wire.loop, s->wire.context, s->router, &err) ||
        !zsetup_bind(s->router, "tcp://127.0.0.1:*", &err) ||
        !zsetup_endpoint(s->router, endpoint, &err)) {
        fail_msg("%s", err.message);
    }
}

static bool is_over(void *context)
{
    return ((struct wire *)context)->closing == 0;
}

static void slow_close(struct slow *s)
{
    s->wire.closing++;
    zpeers_close(s->peers, wire_closed, &s->wire);
    wire_until(&s->wire, is_over, &s->wire, 0);
    (void)zmq_close(s->router);
    wire_close(&s->wire);
}

static void send_largest(void *raw)
{
    static const uint8_t bytes[LIMIT_CHUNK_BYTES];
    for (int i = 0; i < WAITING; i++) {
        assert_true(zmq_send(raw, bytes, LIMIT_ENVELOPE_BYTES, ZMQ_SNDMORE) >= 0);
        assert_true(zmq_send(raw, bytes, LIMIT_CHUNK_BYTES, 0) >= 0);
    }
}

static void whole_messages_may_wait_for_a_slow_owner(void **state)
{
    (void)state;
    struct slow s;
    struct key_pair keys;
    char endpoint[ZSETUP_ENDPOINT_SIZE];
    static char name[] = "alice";
    slow_open(&s, &usual, endpoint);
    keys_generate(&keys);
    wire_allow(&s.wire, &keys, name);
    void *raw = wire_raw(s.wire.context, endpoint, s.wire.server.public_key, &keys);
    send_largest(raw);
    s.wanted_bytes = (SOCKET_ROUTER_HWM - 1) * (LIMIT_ENVELOPE_BYTES + LIMIT_CHUNK_BYTES);
    wire_until(&s.wire, holds_enough, &s, 0);
    s.looks = 50;
    wire_until(&s.wire, has_looked_on, &s, 5);
    wire_until(&s.wire, has_all, &s, 1);
    assert_int_equal(zpeers_cut_count(s.peers), 0);
    assert_int_equal(zpeers_count(s.peers), 1);
    (void)zmq_close(raw);
    slow_close(&s);
}

struct beating {
    struct slow slow;
    void *raw;
};

/* One more word each time: what came since the one before is not much. */
static bool holds_little(void *context)
{
    struct beating *b = context;
    assert_true(zmq_send(b->raw, "x", 1, 0) >= 0);
    receive_all(&b->slow, 2);
    return b->slow.received > 0 && zpeers_held_bytes(b->slow.peers) < 1024;
}

static void heartbeats_do_not_pile_up(void **state)
{
    (void)state;
    struct beating b;
    struct key_pair keys;
    char endpoint[ZSETUP_ENDPOINT_SIZE];
    static char name[] = "alice";
    const int interval_ms = 5;
    slow_open(&b.slow, &usual, endpoint);
    keys_generate(&keys);
    wire_allow(&b.slow.wire, &keys, name);
    b.raw = wire_raw(b.slow.wire.context, endpoint, b.slow.wire.server.public_key, &keys);
    assert_int_equal(zmq_disconnect(b.raw, endpoint),
                     0); /* the option is for connections to come */
    assert_int_equal(zmq_setsockopt(b.raw, ZMQ_HEARTBEAT_IVL, &interval_ms, sizeof(interval_ms)),
                     0);
    assert_int_equal(zmq_connect(b.raw, endpoint), 0);
    b.slow.wanted_bytes = 4096;
    wire_until(&b.slow.wire, holds_enough, &b.slow, 5);
    wire_until(&b.slow.wire, holds_little, &b, 5);
    (void)zmq_close(b.raw);
    slow_close(&b.slow);
}

/* ---- who does not read ---- */

/* Its kernel and its ZeroMQ take in as little as they can. */
static void *open_deaf(struct farm *f)
{
    const int one = 1, small = 65536;
    const char *url = zsock_endpoint(f->server.socket);
    void *raw = wire_raw(f->wire.context, url, f->wire.server.public_key, &f->others);
    assert_int_equal(zmq_disconnect(raw, url), 0); /* options are for connections to come */
    assert_int_equal(zmq_setsockopt(raw, ZMQ_RCVHWM, &one, sizeof(one)), 0);
    assert_int_equal(zmq_setsockopt(raw, ZMQ_RCVBUF, &small, sizeof(small)), 0);
    assert_int_equal(zmq_connect(raw, url), 0);
    f->server.wanted = f->server.received + 1;
    assert_true(zmq_send(raw, "all of it, please", 17, 0) >= 0);
    wire_until(&f->wire, has_wanted, &f->server, 0);
    return raw;
}

static void send_chunks(struct farm *f, zsock_peer peer, int count)
{
    static const uint8_t chunk[LIMIT_CHUNK_BYTES];
    struct bytes payload = {chunk, sizeof(chunk)};
    for (int i = 0; i < count; i++) {
        assert_int_equal(zsock_send(f->server.socket, peer, wire_text("c"), payload), ZSOCK_SENT);
    }
}

static void who_does_not_read_is_cut_when_all_have_much(void **state)
{
    (void)state;
    struct farm f;
    struct zpeers_limits limits = usual;
    limits.unsent_bytes = 2 * MIB;
    limits.unsent_all_bytes = 12 * MIB;
    farm_open(&f, &limits);
    void *raws[2];
    for (int i = 0; i < 2; i++) {
        raws[i] = open_deaf(&f);
        send_chunks(&f, f.server.peer, 32);
    }
    f.server.wanted = 1;
    wire_until(&f.wire, is_cut, &f.server, 0);
    (void)zmq_close(raws[0]);
    (void)zmq_close(raws[1]);
    farm_close(&f);
}

static bool is_all_sent(void *context)
{
    return zsock_counts(((struct farm *)context)->server.socket).unsent_bytes == 0;
}

/* What is counted a byte too high a message would be a flood one day. */
static void what_was_read_is_no_backlog(void **state)
{
    (void)state;
    struct farm f;
    static const uint8_t bytes[512];
    farm_open(&f, &usual);
    for (int round = 0; round < 4; round++) {
        f.client.wanted += (int)sizeof(bytes);
        for (size_t size = 1; size <= sizeof(bytes); size++)
            assert_true(zsock_send(f.server.socket, f.server.peer, (struct bytes){bytes, size},
                                   (struct bytes){0}) <= ZSOCK_QUEUED);
        wire_until(&f.wire, has_wanted, &f.client, 0);
    }
    f.client.wanted += 8;
    send_chunks(&f, f.server.peer, 8);
    wire_until(&f.wire, has_wanted, &f.client, 0);
    wire_until(&f.wire, is_all_sent, &f, 0);
    farm_close(&f);
}

/* ---- silence ---- */

static void who_says_nothing_is_cut(void **state)
{
    (void)state;
    struct farm f;
    struct end silent;
    struct zpeers_limits limits = usual;
    limits.silent_ns = 500 * NS_PER_MS;
    farm_open(&f, &limits);
    dial(&f, &silent, zsock_endpoint(f.server.socket), &f.others);
    silent.wanted_lost = 2; /* it may come back, and is cut again */
    wire_until(&f.wire, is_lost, &silent, 0);
    assert_true(zsock_counts(f.server.socket).cut >= 2);
    silent.ready = 0;
    wire_until(&f.wire, is_ready, &silent, 0);
    int lost = silent.lost;
    say_and_be_heard(&f, &silent); /* one word is enough */
    int turns = 150;
    while (turns-- > 0) {
        say_and_be_heard(&f, &f.client);
        uv_sleep(5);
    }
    assert_int_equal(silent.lost, lost);
    wire_close_socket(&f.wire, silent.socket);
    farm_close(&f);
}

/* ---- connections of one key ---- */

static void a_key_may_have_so_many_connections(void **state)
{
    (void)state;
    struct farm f;
    struct end ends[3];
    struct zpeers_limits limits = usual;
    limits.key_connections = 2;
    farm_open(&f, &limits);
    for (int i = 0; i < 3; i++)
        dial(&f, &ends[i], zsock_endpoint(f.server.socket), &f.others);
    say_and_be_heard(&f, &ends[0]);
    say_and_be_heard(&f, &ends[1]);
    say(&f, &ends[2]);
    wire_until(&f.wire, is_lost, &ends[2], 0);
    assert_int_equal(f.server.received, 3);
    assert_int_equal(zsock_counts(f.server.socket).cut, 1);
    say_and_be_heard(&f, &ends[0]); /* those that were here first stay */
    wire_close_socket(&f.wire, ends[0].socket);
    while (f.server.received < 5) { /* and where one goes there is a place */
        ends[2].ready = 0;
        wire_until(&f.wire, is_ready, &ends[2], 0);
        ends[2].wanted_lost = ends[2].lost + 1;
        say(&f, &ends[2]);
        while (!has_wanted(&f.server) && !is_lost(&ends[2]))
            (void)uv_run(&f.wire.loop, UV_RUN_ONCE);
    }
    assert_int_equal(ends[1].lost, 0);
    wire_close_socket(&f.wire, ends[1].socket);
    wire_close_socket(&f.wire, ends[2].socket);
    farm_close(&f);
}

/* ---- routing ids ---- */

/* ZeroMQ's own look the same: a zero and a number. When it comes to the one that is taken it ends
 * the process. */
static void a_routing_id_that_looks_given_is_dropped_and_cut(void **state)
{
    (void)state;
    struct farm f;
    farm_open(&f, NULL);
    void *raw = zmq_socket(f.wire.context, ZMQ_DEALER);
    int linger = 0;
    (void)zmq_setsockopt(raw, ZMQ_LINGER, &linger, sizeof(linger));
    assert_int_equal(zmq_setsockopt(raw, ZMQ_ROUTING_ID, "\0\1\2\3\4", 5), 0);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_SERVERKEY, f.wire.server.public_key, KEY_BYTES);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_PUBLICKEY, f.others.public_key, KEY_BYTES);
    (void)zmq_setsockopt(raw, ZMQ_CURVE_SECRETKEY, f.others.secret_key, KEY_BYTES);
    assert_int_equal(zmq_connect(raw, zsock_endpoint(f.server.socket)), 0);
    assert_true(zmq_send(raw, "it is me", 8, 0) >= 0);
    f.server.wanted = 1;
    wire_until(&f.wire, is_cut, &f.server, 0);
    assert_int_equal(zsock_counts(f.server.socket).malformed, 1);
    assert_int_equal(f.server.received, 1); /* the honest one's */
    (void)zmq_close(raw);
    farm_close(&f);
}

/* ZeroMQ would begin with the same number in every process: rand() is not seeded. */
static void nobody_knows_where_numbers_begin(void **state)
{
    (void)state;
    zsock_peer peers[2];
    for (int i = 0; i < 2; i++) {
        struct farm f;
        srand(1);
        farm_open(&f, NULL);
        peers[i] = f.server.peer;
        farm_close(&f);
    }
    assert_true(peers[0] != peers[1]);
}

/* A peer that was cut off is written to by libuv, which does not ask the kernel to be quiet. */
int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_without_an_end_is_cut),
        cmocka_unit_test(together_they_may_hold_less),
        cmocka_unit_test(a_whole_message_of_any_size_is_counted_whole),
        cmocka_unit_test(whole_messages_may_wait_for_a_slow_owner),
        cmocka_unit_test(heartbeats_do_not_pile_up),
        cmocka_unit_test(who_does_not_read_is_cut_when_all_have_much),
        cmocka_unit_test(what_was_read_is_no_backlog),
        cmocka_unit_test(who_says_nothing_is_cut),
        cmocka_unit_test(a_key_may_have_so_many_connections),
        cmocka_unit_test(a_routing_id_that_looks_given_is_dropped_and_cut),
        cmocka_unit_test(nobody_knows_where_numbers_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

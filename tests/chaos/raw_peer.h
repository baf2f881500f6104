/* raw_peer: a connection with a valid key that says whatever a test likes. Plain ZeroMQ, one
 * thread. Every failure ends the program with exit code 1 and a line on stderr. */
#ifndef ZOE_TESTS_CHAOS_RAW_PEER_H
#define ZOE_TESTS_CHAOS_RAW_PEER_H

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zmq.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "farm.pb-c.h"
#include "proto/keys.h"
#include "proto/limits.h"

struct raw_farm {
    void *zmq;
    const char *workers, *clients; /* where to dial */
    uint8_t server_key[KEY_BYTES];
    struct key_pair admin;
};

__attribute__((noreturn, format(printf, 1, 2))) static inline void raw_die(const char *format, ...)
{
    va_list rest;
    va_start(rest, format);
    (void)vfprintf(stderr, format, rest);
    va_end(rest);
    (void)fputc('\n', stderr);
    exit(1);
}

/* Values of flags that come in pairs; NULL when it is not there. */
static inline const char *raw_flag(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], name) == 0) return argv[i + 1];
    if (otherwise == NULL) raw_die("%s is missing", name);
    return otherwise;
}

static inline void raw_farm_open(struct raw_farm *f, int argc, char **argv, int sockets)
{
    struct error err = {0};
    f->workers = raw_flag(argc, argv, "--workers", NULL);
    f->clients = raw_flag(argc, argv, "--clients", NULL);
    if (!keys_parse(raw_flag(argc, argv, "--server-key", NULL), f->server_key, "key", &err) ||
        !keys_load(raw_flag(argc, argv, "--admin-key", NULL), &f->admin, &err))
        raw_die("%s", err.message);
    f->zmq = zmq_ctx_new();
    if (f->zmq == NULL || zmq_ctx_set(f->zmq, ZMQ_MAX_SOCKETS, sockets + 16) != 0)
        raw_die("no ZeroMQ");
}

static inline void *raw_dial(const struct raw_farm *f, const char *url, const struct key_pair *keys)
{
    void *socket = zmq_socket(f->zmq, ZMQ_DEALER);
    int linger = 0, send_ms = 30000;
    if (socket == NULL) raw_die("no socket: %s", zmq_strerror(errno));
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof(linger));
    (void)zmq_setsockopt(socket, ZMQ_SNDTIMEO, &send_ms, sizeof(send_ms));
    (void)zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, f->server_key, KEY_BYTES);
    (void)zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key, KEY_BYTES);
    (void)zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key, KEY_BYTES);
    if (zmq_connect(socket, url) != 0) raw_die("%s: %s", url, zmq_strerror(errno));
    return socket;
}

static inline struct buf raw_pack(Farm__Envelope *e)
{
    struct buf packed = BUF_INIT;
    if (e->version == 0) e->version = PROTOCOL_MAX;
    buf_reserve(&packed, farm__envelope__get_packed_size(e) + 1);
    packed.size = farm__envelope__pack(e, packed.data);
    return packed;
}

static inline void raw_say(void *socket, Farm__Envelope *e)
{
    struct buf packed = raw_pack(e);
    if (zmq_send(socket, packed.data, packed.size, 0) < 0) raw_die("send: %s", zmq_strerror(errno));
    buf_finish(&packed);
}

/* What came, or NULL after so long. Caller frees with farm__envelope__free_unpacked. */
static inline Farm__Envelope *raw_hear(void *socket, int timeout_ms)
{
    static uint8_t part[LIMIT_FRAME_BYTES];
    int more = 1;
    size_t more_size = sizeof(more);
    Farm__Envelope *e = NULL;
    (void)zmq_setsockopt(socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof(timeout_ms));
    for (int i = 0; more != 0; i++) {
        int size = zmq_recv(socket, part, sizeof(part), 0);
        if (size < 0) return e;
        if (i == 0) e = farm__envelope__unpack(NULL, (size_t)size, part);
        (void)zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
    }
    return e;
}

/* Waits for an answer of this kind; others are dropped. */
static inline void raw_await(void *socket, Farm__Envelope__BodyCase body)
{
    int64_t until_ns = clock_now_ns() + 60 * NS_PER_S;
    bool came = false;
    while (!came && clock_now_ns() < until_ns) {
        Farm__Envelope *e = raw_hear(socket, 1000);
        came = e != NULL && e->body_case == body;
        if (e != NULL) farm__envelope__free_unpacked(e, NULL);
    }
    if (!came) raw_die("no message of kind %d came", (int)body);
}

/* A client's connection with the admin's key. */
static inline void *raw_admin(const struct raw_farm *f)
{
    void *socket = raw_dial(f, f->clients, &f->admin);
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    e.request = 1;
    e.body_case = FARM__ENVELOPE__BODY_CLIENT_HELLO;
    e.client_hello = &hello;
    raw_say(socket, &e);
    raw_await(socket, FARM__ENVELOPE__BODY_CLIENT_WELCOME);
    return socket;
}

/* Lets a key in as a worker; the answer is awaited by who calls. */
static inline void raw_allow(void *admin, struct key_pair *keys, const char *name)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__KeyAllow allow = FARM__KEY_ALLOW__INIT;
    char role[] = "worker", called[64];
    (void)snprintf(called, sizeof(called), "%s", name);
    allow.key = (ProtobufCBinaryData){KEY_BYTES, keys->public_key};
    allow.role = role;
    allow.name = called;
    e.request = 2;
    e.body_case = FARM__ENVELOPE__BODY_KEY_ALLOW;
    e.key_allow = &allow;
    raw_say(admin, &e);
}

/* Draining, so that nobody gives it work. */
static inline void raw_hello(void *socket, uint8_t boot[ID_BOOT_BYTES], const char *machine)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Slot slot = FARM__SLOT__INIT, *slots[] = {&slot};
    char backend[] = "cpu", fingerprint[] = "nobody's", name[64];
    (void)snprintf(name, sizeof(name), "%s", machine);
    slot.backend = backend;
    slot.fingerprint = fingerprint;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello.boot_id = (ProtobufCBinaryData){ID_BOOT_BYTES, boot};
    hello.machine_id = name;
    hello.slots = slots;
    hello.n_slots = 1;
    hello.draining = true;
    e.body_case = FARM__ENVELOPE__BODY_HELLO;
    e.hello = &hello;
    raw_say(socket, &e);
}

static inline void raw_beat(void *socket, uint64_t session)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    beat.session = session;
    beat.draining = true;
    e.request = 3;
    e.body_case = FARM__ENVELOPE__BODY_HEARTBEAT;
    e.heartbeat = &beat;
    raw_say(socket, &e);
}

#endif

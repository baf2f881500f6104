/* Rows are found by descriptor, and what is cut off is known by its cookie. */
#include "proto/zpeers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/log_pace.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "proto/tcp_facts.h"
#include "proto/zmonitor.h"
#include "proto/zparts.h"
#include "proto/zwatch.h"

#define LOOKS 600        /* at a time, of a microsecond each: a quarter of 10,000 in a second */
#define TURN_EVENTS 4096 /* of the monitor; more wait for the next turn */
#define BEHIND 8         /* so much slower goes the clock of silence while the owner is behind */
/* Enough to tell keys apart: nobody can make one that begins like another. */
#define KEY_DIGITS 16

_Static_assert(LIMIT_HELD_BYTES >
                   SOCKET_ROUTER_HWM * (LIMIT_ENVELOPE_BYTES + LIMIT_CHUNK_BYTES) * 5 / 4,
               "what may wait for a slow owner is not held against a peer");

struct peer {
    uint64_t cookie;
    uint64_t given_bytes; /* on the wire, of what the owner received */
    uint64_t calm_bytes;  /* received when we last looked and no message waited */
    uint64_t held_bytes;
    uint64_t said_bytes; /* on the wire */
    uint64_t unsent_bytes;
    uint64_t key;    /* 0: not known yet */
    uint32_t number; /* the ROUTER's, once it has spoken */
    uint32_t since_ms;
    bool open;
    bool spoke;
    bool cut;
};

struct zpeers {
    struct zpeers_limits limits;
    void *socket; /* borrowed */
    void *monitor;
    struct zwatch watch;
    uv_timer_t timer; /* runs while there are connections */
    bool timer_open;
    int parts_open;
    struct peer *peers; /* by descriptor */
    size_t capacity;
    size_t count;
    size_t cursor;        /* where the next look goes on */
    struct table keys;    /* first digits -> connections, as a pointer's number */
    struct table numbers; /* of peers that have spoken -> descriptor + 1 */
    uint64_t accepted;
    uint64_t held_bytes;
    uint64_t unsent_bytes;
    uint64_t cut;
    bool behind; /* messages waited for the owner when we last looked */
    int64_t looked_ns;
    int64_t silence_ns; /* the clock of silence */
    struct log_pace cuts;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- the table
 * --------------------------------------------------------------------------------- */

static struct peer *find(const struct zpeers *p, int fd)
{
    if (fd < 0 || (size_t)fd >= p->capacity || !p->peers[fd].open) return NULL;
    return &p->peers[fd];
}

static void leave_key(struct zpeers *p, struct peer *peer)
{
    if (peer->key == 0) return;
    uintptr_t left = (uintptr_t)table_get_u64(&p->keys, peer->key) - 1;
    if (left > 0)
        (void)table_set_u64(&p->keys, peer->key, (void *)left);
    else
        (void)table_remove_u64(&p->keys, peer->key);
    peer->key = 0;
}

static void forget(struct zpeers *p, int fd)
{
    struct peer *peer = find(p, fd);
    if (peer == NULL) return;
    leave_key(p, peer);
    if (peer->spoke) (void)table_remove_u64(&p->numbers, peer->number);
    p->held_bytes -= peer->held_bytes;
    p->unsent_bytes -= peer->unsent_bytes;
    p->count--;
    peer->open = false;
}

static void make_room(struct zpeers *p, size_t fd)
{
    size_t before = p->capacity;
    if (fd < before) return;
    p->capacity = before > 0 ? before : 64;
    while (p->capacity <= fd)
        p->capacity *= 2;
    p->peers = xrealloc_array(p->peers, p->capacity, sizeof(*p->peers));
    memset(p->peers + before, 0, (p->capacity - before) * sizeof(*p->peers));
}

static uint32_t silence_ms(const struct zpeers *p)
{
    return (uint32_t)(p->silence_ns / NS_PER_MS);
}

static void on_look(uv_timer_t *timer);

static void note_accepted(struct zpeers *p, int fd)
{
    if (fd < 0) return;
    forget(p, fd);
    make_room(p, (size_t)fd);
    p->peers[fd] =
        (struct peer){.cookie = tcp_facts_cookie(fd), .since_ms = silence_ms(p), .open = true};
    p->accepted++;
    if (p->count++ > 0) return;
    p->looked_ns = clock_now_ns();
    (void)uv_timer_start(&p->timer, on_look, p->limits.look_ms, p->limits.look_ms);
}

void zpeers_drain(struct zpeers *p)
{
    struct zmonitor_change change;
    for (int i = 0; i < TURN_EVENTS && zmonitor_next_change(p->monitor, &change); i++) {
        if (change.accepted) {
            note_accepted(p, change.fd);
        } else {
            forget(p, change.fd);
        }
    }
}

static void on_monitor_ready(void *context)
{
    zpeers_drain(context);
}

/* ---- cutting off
 * ------------------------------------------------------------------------------- */

static void log_cut(struct zpeers *p, int fd, const char *why)
{
    char address[64];
    tcp_facts_peer(fd, address, sizeof(address));
    log_paced(&p->cuts, clock_now_ns(), LOG_WARN, "cut off a connection that %s from=%s", why,
              address);
}

/* ZeroMQ reads the end of the stream, and tells of it by its monitor. */
void zpeers_cut(struct zpeers *p, int fd, const char *why)
{
    struct peer *peer = find(p, fd);
    if (peer == NULL || peer->cut || peer->cookie == 0 || tcp_facts_cookie(fd) != peer->cookie)
        return;
    peer->cut = true;
    p->cut++;
    log_cut(p, fd, why);
    (void)shutdown(fd, SHUT_RDWR);
}

/* ---- messages
 * ---------------------------------------------------------------------------------- */

static uint64_t key_number(const char *key)
{
    char digits[KEY_DIGITS + 1];
    (void)snprintf(digits, sizeof(digits), "%.*s", KEY_DIGITS, key);
    return strtoull(digits, NULL, 16);
}

static bool has_place(struct zpeers *p, struct peer *peer, uint64_t number)
{
    if (number == 0 || number == peer->key) return true;
    leave_key(p, peer);
    uintptr_t connections = (uintptr_t)table_get_u64(&p->keys, number) + 1;
    (void)table_set_u64(&p->keys, number, (void *)connections);
    peer->key = number;
    return connections <= p->limits.key_connections;
}

/* True for the first message of a connection. One with another number is another one: the end of
 * that before it was not told yet. */
static bool is_new(struct zpeers *p, int fd, struct peer *peer, uint32_t number)
{
    if (peer->spoke && peer->number == number) return false;
    if (peer->spoke) (void)table_remove_u64(&p->numbers, peer->number);
    peer->number = number;
    peer->spoke = true;
    (void)table_set_u64(&p->numbers, number, (void *)((uintptr_t)fd + 1));
    return true;
}

void zpeers_said(struct zpeers *p, uint32_t number, size_t part_bytes)
{
    uintptr_t place = (uintptr_t)table_get_u64(&p->numbers, number);
    struct peer *peer = place > 0 ? find(p, (int)(place - 1)) : NULL;
    if (peer != NULL) peer->said_bytes += zparts_frame_bytes(part_bytes);
}

/* This message was not whole when no message waited, so all that had come by then was part of it or
 * came before it: ZeroMQ's heartbeats too, of which we are told nothing. */
bool zpeers_heard(struct zpeers *p, int fd, uint32_t number, const char *key, size_t wire_bytes)
{
    struct peer *peer = find(p, fd);
    if (peer == NULL) return true;
    peer->given_bytes += wire_bytes;
    if (peer->given_bytes < peer->calm_bytes) peer->given_bytes = peer->calm_bytes;
    const bool first = is_new(p, fd, peer, number);
    if (peer->cut) return false;
    if (!first || has_place(p, peer, key_number(key))) return true;
    zpeers_cut(p, fd, "is one too many of its key");
    return false;
}

/* ---- looking
 * ----------------------------------------------------------------------------------- */

static uint64_t less(uint64_t bytes, uint64_t by)
{
    return bytes > by ? bytes - by : 0;
}

/* Whatever comes, nobody has been given more than came. */
static void measure_held(struct zpeers *p, int fd, struct peer *peer, uint64_t received)
{
    if (peer->given_bytes > received) peer->given_bytes = received;
    if (!p->behind) peer->calm_bytes = received;
    uint64_t held = received - peer->given_bytes;
    /* The kernel's own buffer is bounded, by whatever this machine was tuned to. */
    if (held > p->limits.held_crowded_bytes) held = less(held, tcp_facts_unread_bytes(fd));
    p->held_bytes += held - peer->held_bytes;
    peer->held_bytes = held;
}

/* Handshakes and ZeroMQ's heartbeats arrive, too: a little more than was said. */
static void measure_unsent(struct zpeers *p, struct peer *peer, uint64_t acked)
{
    uint64_t unsent = less(peer->said_bytes, acked);
    p->unsent_bytes += unsent - peer->unsent_bytes;
    peer->unsent_bytes = unsent;
}

static void measure(struct zpeers *p, int fd, struct peer *peer)
{
    struct tcp_bytes bytes;
    if (!tcp_facts_bytes(fd, &bytes)) return;
    measure_held(p, fd, peer, bytes.received);
    measure_unsent(p, peer, bytes.acked);
}

static bool is_too_full(const struct zpeers *p, const struct peer *peer)
{
    return p->unsent_bytes > p->limits.unsent_all_bytes &&
           peer->unsent_bytes > p->limits.unsent_bytes;
}

static bool is_too_silent(const struct zpeers *p, const struct peer *peer)
{
    uint32_t waited_ms = silence_ms(p) - peer->since_ms;
    return !peer->spoke && waited_ms > (uint64_t)(p->limits.silent_ns / NS_PER_MS);
}

static void look_at(struct zpeers *p, int fd)
{
    struct peer *peer = &p->peers[fd];
    if (peer->cut) return;
    measure(p, fd, peer);
    bool crowded = p->held_bytes > p->limits.held_all_bytes;
    uint64_t limit = crowded ? p->limits.held_crowded_bytes : p->limits.held_bytes;
    if (peer->held_bytes > limit) zpeers_cut(p, fd, "sends without an end");
    if (is_too_full(p, peer)) zpeers_cut(p, fd, "does not read what it asked for");
    if (is_too_silent(p, peer)) zpeers_cut(p, fd, "says nothing");
}

static bool owner_is_behind(const struct zpeers *p)
{
    int events = 0;
    size_t size = sizeof(events);
    return zmq_getsockopt(p->socket, ZMQ_EVENTS, &events, &size) == 0 && (events & ZMQ_POLLIN) != 0;
}

/* Nobody is silent because we did not listen: time in which the loop stood still does not count,
 * and while messages wait it counts little; a flood of them must not stop it. */
static void pass_time(struct zpeers *p)
{
    const int64_t now_ns = clock_now_ns();
    const int64_t most_ns = 2 * (int64_t)p->limits.look_ms * NS_PER_MS;
    int64_t passed_ns = now_ns - p->looked_ns;
    if (passed_ns > most_ns) passed_ns = most_ns;
    p->looked_ns = now_ns;
    p->behind = owner_is_behind(p);
    p->silence_ns += p->behind ? passed_ns / BEHIND : passed_ns;
}

static void on_look(uv_timer_t *timer)
{
    struct zpeers *p = timer->data;
    zpeers_drain(p);
    pass_time(p);
    for (size_t left = p->count < LOOKS ? p->count : LOOKS; left > 0;) {
        p->cursor = (p->cursor + 1) % p->capacity;
        if (!p->peers[p->cursor].open) continue;
        look_at(p, (int)p->cursor);
        left--;
    }
    if (p->count == 0) (void)uv_timer_stop(&p->timer);
}

/* ---- opening and closing
 * ----------------------------------------------------------------------- */

struct zpeers *zpeers_create(const struct zpeers_limits *limits)
{
    static const struct zpeers_limits usual = {.held_bytes = LIMIT_HELD_BYTES,
                                               .held_all_bytes = LIMIT_HELD_ALL_BYTES,
                                               .held_crowded_bytes = LIMIT_HELD_CROWDED_BYTES,
                                               .unsent_bytes = LIMIT_UNSENT_BYTES,
                                               .unsent_all_bytes = LIMIT_UNSENT_ALL_BYTES,
                                               .silent_ns = PEER_SILENT_NS,
                                               .key_connections = LIMIT_KEY_CONNECTIONS,
                                               .look_ms = PEER_LOOK_MS};
    struct zpeers *p = xcalloc(1, sizeof(*p));
    p->limits = limits != NULL ? *limits : usual;
    table_init(&p->keys);
    table_init(&p->numbers);
    return p;
}

bool zpeers_start(struct zpeers *p, uv_loop_t *loop, void *zmq_context, void *socket,
                  struct error *err)
{
    p->socket = socket;
    if (uv_timer_init(loop, &p->timer) != 0) {
        return error_set(err, ERROR_IO, "the loop takes no timer");
    }
    p->timer.data = p;
    p->timer_open = true;
    p->monitor = zmonitor_open_router(zmq_context, socket, err);
    return p->monitor != NULL &&
           zwatch_start(&p->watch, loop, p->monitor, false, on_monitor_ready, p, err);
}

static void on_part_closed(void *context)
{
    struct zpeers *p = context;
    if (--p->parts_open > 0) return;
    if (p->monitor != NULL) zmonitor_close(p->monitor, p->socket);
    table_finish(&p->keys);
    table_finish(&p->numbers);
    free(p->peers);
    if (p->on_closed != NULL) p->on_closed(p->closed_context);
    free(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void zpeers_close(struct zpeers *p, void (*on_closed)(void *context), void *context)
{
    p->on_closed = on_closed;
    p->closed_context = context;
    p->parts_open = 2;
    bool timer_open = p->timer_open;
    zwatch_close(&p->watch, on_part_closed, p);
    if (timer_open) {
        uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    } else {
        on_part_closed(p);
    }
}

size_t zpeers_count(const struct zpeers *p)
{
    return p->count;
}

uint64_t zpeers_accepted_count(const struct zpeers *p)
{
    return p->accepted;
}

uint64_t zpeers_cut_count(const struct zpeers *p)
{
    return p->cut;
}

uint64_t zpeers_held_bytes(const struct zpeers *p)
{
    return p->held_bytes;
}

uint64_t zpeers_unsent_bytes(const struct zpeers *p)
{
    return p->unsent_bytes;
}

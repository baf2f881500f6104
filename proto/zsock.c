/* Sockets on the loop: receive in the check phase, send at once, keep what a slow peer cannot take.
 */
#include "proto/zsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "proto/backoff.h"
#include "proto/limits.h"
#include "proto/zap.h"
#include "proto/zid.h"
#include "proto/zmonitor.h"
#include "proto/zparts.h"
#include "proto/zqueue.h"
#include "proto/zsetup.h"
#include "proto/zwatch.h"

#define RETRY_MS 20

struct zsock {
    void *socket;
    void *monitor; /* DEALER */
    struct zwatch watch;
    struct zwatch monitor_watch;
    struct zpeers *peers; /* ROUTER */
    uint32_t first;       /* ROUTER: the number before that of the first peer */
    uv_timer_t retry; /* ROUTER: runs while a queue holds something; DEALER: until it dials anew */
    bool retry_open;
    bool retry_running;
    struct table queues; /* peer -> struct zqueue */
    bool router;
    bool drained;
    bool closing;
    int parts_open; /* of the four above that libuv still holds */
    zsock_receive on_receive;
    zsock_notice on_event;
    void *context;
    zsock_closed on_closed;
    void *closed_context;
    char *url; /* what was asked for, not what was bound */
    struct backoff redial;
    struct zsock_counts counts;
    char endpoint[ZSETUP_ENDPOINT_SIZE];
};

/* Never 0. */
static zsock_peer peer_of(uint32_t number)
{
    return UINT64_C(1) << 32 | number;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void note_said(struct zsock *s, uint32_t number, struct bytes envelope, struct bytes payload)
{
    zpeers_said(s->peers, number, envelope.size);
    if (payload.data != NULL) zpeers_said(s->peers, number, payload.size);
}

/* Only the first part can be refused: what follows belongs to it. */
static enum zsock_result send_now(struct zsock *s, zsock_peer peer, struct bytes envelope,
                                  struct bytes payload)
{
    bool more = payload.data != NULL;
    int rc = 0;
    if (s->router) {
        uint8_t id[ZID_BYTES];
        zid_write((uint32_t)peer, id);
        rc = zparts_send(s->socket, (struct bytes){id, ZID_BYTES}, true);
        if (rc >= 0) (void)zparts_send(s->socket, envelope, more);
        if (rc >= 0) note_said(s, (uint32_t)peer, envelope, payload);
    } else {
        rc = zparts_send(s->socket, envelope, more);
    }
    if (rc < 0) return errno == EAGAIN ? ZSOCK_FULL : ZSOCK_GONE;
    if (more) (void)zparts_send(s->socket, payload, false);
    s->counts.sent++;
    return ZSOCK_SENT;
}

static void drop_queue(struct zsock *s, zsock_peer peer)
{
    struct zqueue *q = table_remove_u64(&s->queues, peer);
    if (q == NULL) return;
    s->counts.queued -= q->count;
    zqueue_finish(q);
    free(q);
}

static void flush_queue(struct zsock *s, zsock_peer peer, struct zqueue *q)
{
    enum zsock_result result = ZSOCK_SENT;
    while (q->first != NULL) {
        const struct zqueue_item *item = q->first;
        struct bytes payload = {NULL, 0};
        if (item->has_payload) {
            payload = (struct bytes){(const uint8_t *)buf_text(&item->payload), item->payload.size};
        }
        result =
            send_now(s, peer, (struct bytes){item->envelope.data, item->envelope.size}, payload);
        if (result != ZSOCK_SENT) break;
        zqueue_pop(q);
        s->counts.queued--;
    }
    if (result != ZSOCK_FULL) drop_queue(s, peer);
}

static void on_retry(uv_timer_t *timer)
{
    struct zsock *s = timer->data;
    const void *key = NULL;
    struct zqueue *q = NULL;
    for (size_t i = 0; (q = table_next(&s->queues, &i, &key, NULL)) != NULL;) {
        zsock_peer peer = 0;
        memcpy(&peer, key, sizeof(peer));
        flush_queue(s, peer, q);
    }
    if (s->queues.count > 0) return;
    (void)uv_timer_stop(&s->retry);
    s->retry_running = false;
}

static enum zsock_result enqueue(struct zsock *s, zsock_peer peer, struct bytes envelope,
                                 struct bytes payload)
{
    struct zqueue *q = table_get_u64(&s->queues, peer);
    if (q == NULL) {
        q = xcalloc(1, sizeof(*q));
        (void)table_set_u64(&s->queues, peer, q);
    }
    if (!zqueue_push(q, envelope, payload)) return ZSOCK_FULL;
    s->counts.queued++;
    if (!s->retry_running) {
        s->retry_running = uv_timer_start(&s->retry, on_retry, RETRY_MS, RETRY_MS) == 0;
    }
    return ZSOCK_QUEUED;
}

enum zsock_result zsock_send(struct zsock *s, zsock_peer peer, struct bytes envelope,
                             struct bytes payload)
{
    if (s->closing) return ZSOCK_GONE;
    if (!s->router) return send_now(s, 0, envelope, payload);
    if (table_get_u64(&s->queues, peer) != NULL) return enqueue(s, peer, envelope, payload);
    enum zsock_result result = send_now(s, peer, envelope, payload);
    return result == ZSOCK_FULL ? enqueue(s, peer, envelope, payload) : result;
}

void zsock_forget(struct zsock *s, zsock_peer peer)
{
    drop_queue(s, peer);
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static const char *property(zmq_msg_t *part, const char *name)
{
    const char *value = zmq_msg_gets(part, name);
    return value != NULL ? value : "";
}

/* [id at a ROUTER][envelope][payload or none] */
static bool read_parts(struct zsock *s, struct zparts *parts, struct zsock_received *out)
{
    int first = s->router ? 1 : 0;
    *out = (struct zsock_received){.user = "", .key = "", .address = ""};
    if (parts->extra > 0 || parts->count < first + 1 || parts->count > first + 2) return false;
    uint32_t number = 0;
    if (s->router && !zid_read(zparts_bytes(parts, 0), &number)) return false;
    if (s->router) out->peer = peer_of(number);
    out->envelope = zparts_bytes(parts, first);
    out->has_payload = parts->count == first + 2;
    if (out->has_payload) out->payload = zparts_bytes(parts, first + 1);
    if (out->envelope.size == 0) return false;
    if (!s->router) return true;
    out->user = property(&parts->parts[first], "User-Id");
    out->key = property(&parts->parts[first], ZAP_KEY_PROPERTY);
    out->address = property(&parts->parts[first], "Peer-Address");
    return out->user[0] != '\0';
}

/* Peers speak through their first part: the id before it is not theirs. */
static bool may_speak(struct zsock *s, struct zparts *parts)
{
    if (!s->router || parts->count < 2) return true;
    uint32_t number = 0;
    zmq_msg_t *part = &parts->parts[1];
    (void)zid_read(zparts_bytes(parts, 0), &number);
    return zpeers_heard(s->peers, zmq_msg_get(part, ZMQ_SRCFD), number,
                        property(part, ZAP_KEY_PROPERTY), zparts_wire_bytes(parts, 1));
}

/* ZeroMQ counts up by one for a connection, or by none: what lies beyond was chosen by the peer. */
static bool has_given_id(const struct zsock *s, struct bytes id)
{
    uint32_t number = 0;
    if (!zid_read(id, &number)) return false;
    uint32_t place = number - s->first;
    return place > 0 && place <= zpeers_accepted_count(s->peers);
}

static bool chose_its_id(struct zsock *s, struct zparts *parts)
{
    if (!s->router || parts->count < 2 || has_given_id(s, zparts_bytes(parts, 0))) return false;
    zpeers_cut(s->peers, zmq_msg_get(&parts->parts[1], ZMQ_SRCFD), "chose its own routing id");
    return true;
}

static void take(struct zsock *s, struct zparts *parts)
{
    struct zsock_received m;
    if (!may_speak(s, parts)) return;
    if (chose_its_id(s, parts) || !read_parts(s, parts, &m)) {
        s->counts.malformed++;
        return;
    }
    s->counts.received++;
    struct zqueue *q = s->router ? table_get_u64(&s->queues, m.peer) : NULL;
    if (q != NULL) flush_queue(s, m.peer, q);
    s->on_receive(s->context, &m);
}

/* The clock is looked at now and then. */
static bool goes_on(int received, int64_t begun_ns)
{
    if (received < ZSOCK_TURN_MESSAGES || received % 16 != 0) return received < ZSOCK_TURN_MOST;
    return received < ZSOCK_TURN_MOST && clock_now_ns() - begun_ns < ZSOCK_TURN_NS;
}

static void on_ready(void *context)
{
    struct zsock *s = context;
    struct zparts parts;
    const int64_t begun_ns = clock_now_ns();
    s->drained = false;
    if (s->router) zpeers_drain(s->peers);
    for (int i = 0; goes_on(i, begun_ns) && !s->closing; i++) {
        if (zparts_receive(s->socket, &parts) != ZPARTS_MESSAGE) {
            s->drained = true;
            return;
        }
        take(s, &parts);
        zparts_finish(&parts);
    }
}

/* ---- dialing anew -------------------------------------------------------------------------------
 */

static void on_redial(uv_timer_t *timer)
{
    struct zsock *s = timer->data;
    (void)zsetup_redial(s->socket, s->url, NULL);
}

void zsock_redial(struct zsock *s)
{
    if (s->closing || s->router) return;
    (void)uv_timer_stop(&s->retry);
    (void)zsetup_redial(s->socket, s->url, NULL);
}

/* After a protocol error ZeroMQ never dials again, and of some it says no more than "disconnected":
 * so whatever went wrong, unless it is back by itself before our wait is over. */
static void note_connection(struct zsock *s, enum zmonitor_event event)
{
    if (event == ZMONITOR_READY) {
        backoff_reset(&s->redial);
        (void)uv_timer_stop(&s->retry);
        return;
    }
    int64_t wait_ns = backoff_next(&s->redial, id_random_u64());
    (void)uv_timer_start(&s->retry, on_redial, (uint64_t)(wait_ns / NS_PER_MS), 0);
}

static void on_monitor_ready(void *context)
{
    static const enum zsock_event events[] = {
        [ZMONITOR_READY] = ZSOCK_READY,
        [ZMONITOR_LOST] = ZSOCK_LOST,
        [ZMONITOR_KEY_REFUSED] = ZSOCK_KEY_REFUSED,
        [ZMONITOR_NO_HANDSHAKE] = ZSOCK_NO_HANDSHAKE,
    };
    struct zsock *s = context;
    enum zmonitor_event event = ZMONITOR_NOTHING;
    while (!s->closing && zmonitor_next(s->monitor, &event)) {
        note_connection(s, event);
        if (s->on_event != NULL) s->on_event(s->context, events[event]);
    }
}

void zsock_poll_events(struct zsock *s)
{
    zwatch_poll_events(&s->watch);
}

bool zsock_is_drained(const struct zsock *s)
{
    return s->drained && !s->watch.pending;
}

const char *zsock_endpoint(const struct zsock *s)
{
    return s->endpoint;
}

struct zsock_counts zsock_counts(const struct zsock *s)
{
    struct zsock_counts counts = s->counts;
    if (s->peers == NULL) return counts;
    counts.cut = zpeers_cut_count(s->peers);
    counts.unsent_bytes = zpeers_unsent_bytes(s->peers);
    return counts;
}

/* ---- the context -------------------------------------------------------------------------------
 */

void *zsock_context_create(struct error *err)
{
    void *zmq_context = zmq_ctx_new();
    if (zmq_context == NULL) error_set(err, ERROR_IO, "ZeroMQ: %s", zmq_strerror(errno));
    /* 1023 by default: a process that is many peers needs three for each. What is not used costs a
     * number in a table. */
    if (zmq_context != NULL) (void)zmq_ctx_set(zmq_context, ZMQ_MAX_SOCKETS, SOCKETS_MAX);
    return zmq_context;
}

void zsock_context_destroy(void *zmq_context)
{
    if (zmq_context == NULL) return;
    while (zmq_ctx_term(zmq_context) != 0 && errno == EINTR)
        continue;
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static bool set_up(struct zsock *s, const struct zsock_options *o, struct error *err)
{
    if (!zsetup_common(s->socket, err)) return false;
    if (o->router) return zsetup_router(s->socket, o->keys, o->zap_domain, err);
    return zsetup_dealer(s->socket, o->keys, o->server_key, err);
}

static bool watch_monitor(struct zsock *s, uv_loop_t *loop, void *zmq_context, struct error *err)
{
    if (s->router && !zid_learn_first(zmq_context, s->socket, &s->first, err)) return false;
    if (s->router) return zpeers_start(s->peers, loop, zmq_context, s->socket, err);
    s->monitor = zmonitor_open(zmq_context, s->socket, err);
    return s->monitor != NULL &&
           zwatch_start(&s->monitor_watch, loop, s->monitor, false, on_monitor_ready, s, err);
}

static bool start(struct zsock *s, uv_loop_t *loop, void *zmq_context,
                  const struct zsock_options *o, struct error *err)
{
    if (uv_timer_init(loop, &s->retry) != 0) {
        return error_set(err, ERROR_IO, "the loop takes no timer");
    }
    s->retry.data = s;
    s->retry_open = true;
    if (!set_up(s, o, err) || !watch_monitor(s, loop, zmq_context, err)) return false;
    bool ok =
        o->router ? zsetup_bind(s->socket, o->url, err) : zsetup_connect(s->socket, o->url, err);
    return ok && zsetup_endpoint(s->socket, s->endpoint, err) &&
           zwatch_start(&s->watch, loop, s->socket, o->owner_polls, on_ready, s, err);
}

struct zsock *zsock_open(uv_loop_t *loop, void *zmq_context, const struct zsock_options *options,
                         struct error *err)
{
    struct zsock *s = xcalloc(1, sizeof(*s));
    s->router = options->router;
    s->drained = true;
    s->on_receive = options->on_receive;
    s->on_event = options->router ? NULL : options->on_event;
    s->context = options->context;
    s->url = xstrdup(options->url);
    backoff_init(&s->redial, SOCKET_RECONNECT_MS * NS_PER_MS, SOCKET_RECONNECT_MAX_MS * NS_PER_MS);
    table_init(&s->queues);
    if (options->router) s->peers = zpeers_create(options->limits);
    s->socket =
        options->router ? zid_open_router(zmq_context) : zmq_socket(zmq_context, ZMQ_DEALER);
    if (s->socket == NULL) {
        error_set(err, ERROR_IO, "no more sockets: %s", zmq_strerror(errno));
    } else if (start(s, loop, zmq_context, options, err)) {
        return s;
    }
    zsock_close(s, NULL, NULL);
    return NULL;
}

/* ---- closing: libuv lets go first, then ZeroMQ
 * --------------------------------------------------- */

static void on_part_closed(void *context)
{
    struct zsock *s = context;
    if (--s->parts_open > 0) return;
    if (s->monitor != NULL) zmonitor_close(s->monitor, s->socket);
    if (s->socket != NULL) (void)zmq_close(s->socket);
    table_finish(&s->queues);
    free(s->url);
    if (s->on_closed != NULL) s->on_closed(s->closed_context);
    free(s);
}

static void on_retry_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

static void drop_queues(struct zsock *s)
{
    struct zqueue *q = NULL;
    for (size_t i = 0; (q = table_next(&s->queues, &i, NULL, NULL)) != NULL;) {
        zqueue_finish(q);
        free(q);
    }
}

void zsock_close(struct zsock *s, zsock_closed on_closed, void *context)
{
    if (s->closing) return;
    s->closing = true;
    s->on_closed = on_closed;
    s->closed_context = context;
    drop_queues(s);
    s->parts_open = 4;
    if (s->retry_open) {
        uv_close((uv_handle_t *)&s->retry, on_retry_closed);
    } else {
        on_part_closed(s);
    }
    if (s->peers != NULL) {
        zpeers_close(s->peers, on_part_closed, s);
    } else {
        on_part_closed(s);
    }
    zwatch_close(&s->monitor_watch, on_part_closed, s);
    zwatch_close(&s->watch, on_part_closed, s);
}

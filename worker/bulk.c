#include "worker/bulk.h"

#include <stdlib.h>

#include "base/id.h"
#include "base/log_pace.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define IDLE_CHECK_MS 1000
#define AGAIN_NS NS_PER_S /* until a session that was not known is tried once more */

struct bulk {
    struct bulk_options options;
    struct log_pace bad_message;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct zsock *sock; /* NULL = closed */
    uint64_t session;
    uint32_t version; /* that the control connection agreed on for this session */
    bool ready;
    int64_t refused_ns; /* when the coordinator did not know the session; 0 = it does */
    bool wanted;        /* once more, when it is time */
    int64_t used_ns;
    int open_parts; /* sockets that ZeroMQ still closes, and the timer */
    bool closing;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- closing ---- */

static void on_part_closed(void *context)
{
    struct bulk *b = context;
    if (--b->open_parts > 0 || !b->closing) return;
    if (b->on_closed) b->on_closed(b->closed_context);
    free(b);
}

static void close_socket(struct bulk *b)
{
    if (!b->sock) return;
    struct zsock *sock = b->sock;
    b->sock = NULL;
    b->ready = false;
    zsock_close(sock, on_part_closed, b);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void bulk_close(struct bulk *b, void (*on_closed)(void *context), void *context)
{
    b->on_closed = on_closed;
    b->closed_context = context;
    b->closing = true;
    close_socket(b);
    uv_close((uv_handle_t *)&b->timer, on_timer_closed);
}

/* ---- sending ---- */

enum zsock_result bulk_send(struct bulk *b, Farm__Envelope *envelope, struct bytes payload)
{
    struct buf packed = BUF_INIT;
    struct error err = {0};
    if (!b->sock) return ZSOCK_FULL;
    envelope->version = b->version;
    if (!codec_encode(envelope, MESSAGE_FROM_WORKER, &packed, &err)) {
        log_error("not sent: %s", err.message);
        return ZSOCK_GONE;
    }
    enum zsock_result result =
        zsock_send(b->sock, 0, (struct bytes){packed.data, packed.size}, payload);
    buf_finish(&packed);
    if (result == ZSOCK_SENT) b->used_ns = clock_now_ns();
    return result;
}

static bool say_hello(struct bulk *b)
{
    uint8_t boot_id[ID_BOOT_BYTES];
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    for (size_t i = 0; i < sizeof boot_id; i++)
        boot_id[i] = b->options.boot_id[i];
    hello.version_min = PROTOCOL_MIN;
    hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_BULK;
    hello.session = b->session;
    hello.boot_id = (ProtobufCBinaryData){sizeof boot_id, boot_id};
    envelope.body_case = FARM__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    return bulk_send(b, &envelope, (struct bytes){NULL, 0}) == ZSOCK_SENT;
}

/* ---- events ---- */

static void on_event(void *context, enum zsock_event event)
{
    struct bulk *b = context;
    if (!b->sock) return;
    bool was_ready = b->ready;
    b->ready = event == ZSOCK_READY && say_hello(b);
    if (b->ready)
        b->options.host.ready(b->options.host.context);
    else if (was_ready)
        b->options.host.lost(b->options.host.context);
}

static void take(struct bulk *b, const struct message *m)
{
    Farm__Envelope__BodyCase body = m->envelope->body_case;
    bool strange = body == FARM__ENVELOPE__BODY_WHO_ARE_YOU || body == FARM__ENVELOPE__BODY_BYE;
    if (body == FARM__ENVELOPE__BODY_WELCOME) return;
    if (!strange) {
        b->options.host.message(b->options.host.context, m);
        return;
    }
    /* The session is not known any more: the control connection will hear of it and make another */
    log_debug("bulk: the coordinator does not know this session");
    b->options.host.lost(b->options.host.context);
    b->ready = false;
    b->refused_ns = clock_now_ns();
}

static void on_receive(void *context, const struct zsock_received *r)
{
    struct bulk *b = context;
    struct error err = {0};
    struct bytes payload = r->has_payload ? r->payload : (struct bytes){NULL, 0};
    if (!b->sock) return;
    struct message *m = codec_decode(r->envelope, payload, MESSAGE_TO_WORKER, &err);
    if (!m) {
        log_paced(&b->bad_message, clock_now_ns(), LOG_ERROR, "from the coordinator: %s",
                  err.message);
        return;
    }
    b->used_ns = clock_now_ns();
    take(b, m);
    message_free(m);
}

/* ---- opening, and closing again ---- */

static void on_timer(uv_timer_t *timer);

static void open_socket(struct bulk *b)
{
    struct error err = {0};
    struct zsock_options options = {.url = b->options.url,
                                    .keys = b->options.keys,
                                    .server_key = b->options.server_key,
                                    .on_receive = on_receive,
                                    .on_event = on_event,
                                    .context = b};
    b->sock = zsock_open(b->loop, b->options.zmq_context, &options, &err);
    if (!b->sock) {
        log_error("bulk: %s", err.message);
        return;
    }
    b->open_parts++;
    b->used_ns = clock_now_ns();
    (void)uv_timer_start(&b->timer, on_timer, IDLE_CHECK_MS, IDLE_CHECK_MS);
}

static void open_again(struct bulk *b)
{
    close_socket(b);
    b->refused_ns = 0;
    b->wanted = false;
    open_socket(b);
}

static bool may_try_again(const struct bulk *b)
{
    return clock_now_ns() - b->refused_ns >= AGAIN_NS;
}

static void on_timer(uv_timer_t *timer)
{
    struct bulk *b = timer->data;
    if (!b->sock) return;
    if (b->wanted && may_try_again(b)) open_again(b);
    if (b->options.host.busy(b->options.host.context)) return;
    if (clock_now_ns() - b->used_ns < BULK_IDLE_NS) return;
    log_debug("bulk: closed, it was idle");
    close_socket(b);
    (void)uv_timer_stop(&b->timer);
}

void bulk_need(struct bulk *b, uint64_t session, uint32_t version)
{
    const bool same = b->sock && b->session == session;
    if (b->closing || (same && b->refused_ns == 0)) return;
    if (same && !may_try_again(b)) {
        b->wanted = true;
        return;
    }
    b->session = session;
    b->version = version;
    open_again(b);
}

bool bulk_is_ready(const struct bulk *b)
{
    return b->ready;
}

struct bulk *bulk_create(uv_loop_t *loop, const struct bulk_options *options)
{
    struct bulk *b = xcalloc(1, sizeof *b);
    b->options = *options;
    b->loop = loop;
    b->open_parts = 1;
    ZOE_ASSERT(uv_timer_init(loop, &b->timer) == 0);
    b->timer.data = b;
    return b;
}

/* joined = a Welcome came and the connection has not been lost, silent or refused since. Every way
 * out of it leads to the same timer, which says Hello again. */
#include "worker/link.h"

#include <stdlib.h>
#include <string.h>

#include "base/id.h"
#include "base/log_pace.h"
#include "base/xalloc.h"
#include "proto/backoff.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define HELLO_FIRST_NS (4 * NS_PER_S)
#define HELLO_CAP_NS (60 * NS_PER_S)

struct report {
    struct attempt_name name;
    struct buf envelope; /* packed */
    uint64_t before;     /* once sent: number of the first heartbeat after it */
};

struct link {
    struct link_host host;
    struct log_pace bad_message;
    char *machine_id;
    char *host_name;
    uint8_t boot_id[ID_BOOT_BYTES];
    uint8_t public_key[KEY_BYTES];
    struct zsock *sock;
    uv_timer_t hello_timer;
    uv_timer_t beat_timer;
    struct backoff backoff;
    bool connected; /* handshake done: Hello may be said */
    bool joined;
    bool greeted; /* a Hello is out and not answered */
    bool refusal_logged;
    bool stranger_logged;
    uint32_t version;
    uint64_t session;
    uint64_t last_message;
    uint32_t heartbeat_ms;
    int64_t heard_ns;
    int64_t alone_since_ns;
    struct report *reports; /* in order; of the first `sent` nobody said that they arrived */
    size_t report_count, sent;
    uint64_t beats; /* number of the last heartbeat */
    struct truth truth;
    int open_parts;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* ---- sending ---- */

static bool send_packed(struct link *l, const struct buf *packed)
{
    struct bytes none = {NULL, 0};
    return zsock_send(l->sock, 0, (struct bytes){packed->data, packed->size}, none) == ZSOCK_SENT;
}

static bool pack(const struct link *l, Farm__Envelope *envelope, struct buf *out)
{
    struct error err = {0};
    envelope->version = l->version;
    if (codec_encode(envelope, MESSAGE_FROM_WORKER, out, &err)) return true;
    log_error("not sent: %s", err.message);
    return false;
}

static bool send_any(struct link *l, Farm__Envelope *envelope)
{
    struct buf packed = BUF_INIT;
    bool ok = pack(l, envelope, &packed) && send_packed(l, &packed);
    buf_finish(&packed);
    return ok;
}

bool link_send(struct link *l, Farm__Envelope *envelope)
{
    return l->joined && send_any(l, envelope);
}

/* They may have been written for a coordinator of another version. */
static bool send_report(struct link *l, struct report *r)
{
    codec_restamp(&r->envelope, l->version);
    if (!send_packed(l, &r->envelope)) return false;
    r->before = l->beats + 1;
    return true;
}

static void send_reports(struct link *l)
{
    while (l->sent < l->report_count && send_report(l, &l->reports[l->sent]))
        l->sent++;
}

void link_report(struct link *l, const struct attempt_name *name, Farm__Envelope *envelope)
{
    struct buf packed = BUF_INIT;
    if (!pack(l, envelope, &packed)) return;
    l->reports = xrealloc_array(l->reports, l->report_count + 1, sizeof *l->reports);
    l->reports[l->report_count++] = (struct report){.name = *name, .envelope = packed};
    if (l->joined) send_reports(l);
}

/* A connection keeps the order: what was sent before a heartbeat that was seen has arrived. One
 * that broke may have swallowed the rest, which is said again in the next session. */
static void forget_arrived(struct link *l, uint64_t beat)
{
    size_t done = 0;
    while (done < l->sent && l->reports[done].before <= beat)
        buf_finish(&l->reports[done++].envelope);
    if (done == 0) return;
    l->sent -= done;
    l->report_count -= done;
    memmove(l->reports, l->reports + done, l->report_count * sizeof *l->reports);
}

bool link_has_unsent(const struct link *l)
{
    return l->sent < l->report_count;
}

/* ---- truth ---- */

/* Of a report that it did not hear the attempt is still here for the coordinator, but in no slot:
 * what came after it is there by now. */
static void gather(struct link *l, size_t from)
{
    truth_clear(&l->truth);
    l->host.tell(l->host.context, &l->truth);
    for (size_t i = from; i < l->report_count; i++) {
        struct slot_held held = {l->reports[i].name, {.phase = FARM__PHASE__PHASE_UPLOADING}};
        truth_add_held(&l->truth, 0, &held);
    }
}

void link_beat(struct link *l)
{
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    if (!l->joined) return;
    send_reports(l);
    gather(l, l->sent);
    truth_fill_heartbeat(&l->truth, &beat);
    beat.session = l->session;
    beat.last_message = l->last_message;
    envelope.body_case = FARM__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &beat;
    envelope.request = ++l->beats; /* comes back with the answer */
    (void)send_any(l, &envelope);
}

static void fill_hello(struct link *l, Farm__Hello *hello)
{
    truth_fill_hello(&l->truth, hello);
    hello->version_min = PROTOCOL_MIN;
    hello->version_max = PROTOCOL_MAX;
    hello->connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello->session = l->session;
    hello->boot_id = (ProtobufCBinaryData){ID_BOOT_BYTES, l->boot_id};
    hello->machine_id = l->machine_id;
    hello->host = l->host_name;
    hello->last_message = l->last_message;
}

static void say_hello(struct link *l)
{
    char build[] = ZOE_VERSION;
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    gather(l, 0);
    fill_hello(l, &hello);
    hello.build = build;
    envelope.body_case = FARM__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    l->version = PROTOCOL_MAX;
    l->greeted = send_any(l, &envelope);
}

/* ---- in and out of being joined ---- */

static void on_hello_timer(uv_timer_t *timer);

static void hello_later(struct link *l)
{
    int64_t wait_ns = backoff_next(&l->backoff, id_random_u64());
    (void)uv_timer_start(&l->hello_timer, on_hello_timer, (uint64_t)(wait_ns / NS_PER_MS), 0);
}

/* The connection stands and nobody answers: a machine between us may have forgotten it. */
static bool is_deaf(const struct link *l)
{
    return clock_now_ns() - l->heard_ns > LINK_DEAF_NS;
}

static void dial_anew(struct link *l)
{
    log_warn("nothing is heard on this connection: dialling anew");
    l->connected = l->greeted = false;
    l->heard_ns = clock_now_ns();
    zsock_redial(l->sock);
}

static void on_hello_timer(uv_timer_t *timer)
{
    struct link *l = timer->data;
    if (l->joined || !l->connected) return;
    if (is_deaf(l)) {
        dial_anew(l);
        return;
    }
    say_hello(l);
    hello_later(l);
}

static void leave(struct link *l, const char *why)
{
    if (!l->joined) return;
    log_warn("the coordinator is away: %s", why);
    l->joined = false;
    l->alone_since_ns = clock_now_ns();
    (void)uv_timer_stop(&l->beat_timer);
    backoff_reset(&l->backoff);
}

static void on_beat(uv_timer_t *timer)
{
    struct link *l = timer->data;
    int64_t silent_ns = clock_now_ns() - l->heard_ns;
    if (silent_ns <= (int64_t)l->heartbeat_ms * NS_PER_MS * SESSION_SILENT_BEATS) {
        link_beat(l);
        return;
    }
    leave(l, "it is silent");
    hello_later(l);
}

static void take_welcome(struct link *l, const Farm__Welcome *welcome)
{
    if (welcome->version < PROTOCOL_MIN || welcome->version > PROTOCOL_MAX) {
        log_error("the coordinator speaks protocol %u, this build %d to %d",
                  (unsigned)welcome->version, PROTOCOL_MIN, PROTOCOL_MAX);
        l->host.refused(l->host.context, error_exit_code(ERROR_VERSION));
        return;
    }
    if (l->joined && l->session == welcome->session) return;
    log_info("joined as %s, session %llu", welcome->name, (unsigned long long)welcome->session);
    l->joined = true;
    l->greeted = false;
    l->refusal_logged = l->stranger_logged = false;
    l->version = welcome->version;
    l->session = welcome->session;
    l->last_message = 0;
    l->heartbeat_ms = welcome->heartbeat_ms;
    backoff_reset(&l->backoff);
    (void)uv_timer_stop(&l->hello_timer);
    (void)uv_timer_start(&l->beat_timer, on_beat, l->heartbeat_ms, l->heartbeat_ms);
    l->sent = 0;
    send_reports(l);
    l->host.joined(l->host.context);
}

/* It does not know this connection: it restarted, or took us for gone. One Hello is enough. */
static void take_who_are_you(struct link *l)
{
    leave(l, "it does not know this connection");
    if (l->greeted) return;
    say_hello(l);
    hello_later(l);
}

static void take_bye(struct link *l, const Farm__Bye *bye)
{
    leave(l, bye->message);
    l->greeted = false;
    enum error_code code = error_code_from_name(bye->code);
    if (code == ERROR_VERSION) {
        log_error("refused: %s", bye->message);
        l->host.refused(l->host.context, error_exit_code(ERROR_VERSION));
        return;
    }
    log_error("refused (%s): %s", bye->code, bye->message);
    if (code == ERROR_AUTH) l->backoff.next_ns = l->backoff.cap_ns;
    hello_later(l);
}

/* ---- receiving ---- */

static uint64_t number_of(const Farm__Envelope *e)
{
    switch (e->body_case) {
    case FARM__ENVELOPE__BODY_ASSIGN:
        return e->assign->message;
    case FARM__ENVELOPE__BODY_CANCEL:
        return e->cancel->message;
    case FARM__ENVELOPE__BODY_RECALL:
        return e->recall->message;
    case FARM__ENVELOPE__BODY_DRAIN:
        return e->drain->message;
    default:
        return 0;
    }
}

static bool is_new(struct link *l, uint64_t number)
{
    if (number == 0) return true;
    if (!l->joined || number <= l->last_message) return false;
    l->last_message = number;
    return true;
}

static void dispatch(struct link *l, const struct message *m)
{
    const Farm__Envelope *e = m->envelope;
    if (e->body_case == FARM__ENVELOPE__BODY_WELCOME)
        take_welcome(l, e->welcome);
    else if (e->body_case == FARM__ENVELOPE__BODY_WHO_ARE_YOU)
        take_who_are_you(l);
    else if (e->body_case == FARM__ENVELOPE__BODY_BYE)
        take_bye(l, e->bye);
    else if (e->body_case == FARM__ENVELOPE__BODY_HEARTBEAT_SEEN)
        forget_arrived(l, e->request);
    else if (is_new(l, number_of(e)))
        l->host.message(l->host.context, m);
}

static void on_receive(void *context, const struct zsock_received *r)
{
    struct link *l = context;
    struct error err = {0};
    struct bytes payload = r->has_payload ? r->payload : (struct bytes){NULL, 0};
    struct message *m = codec_decode(r->envelope, payload, MESSAGE_TO_WORKER, &err);
    l->heard_ns = clock_now_ns();
    if (!m) {
        log_paced(&l->bad_message, l->heard_ns, LOG_ERROR, "from the coordinator: %s", err.message);
        return;
    }
    dispatch(l, m);
    message_free(m);
}

static void log_refusal(struct link *l)
{
    char text[KEY_TEXT_SIZE];
    if (l->refusal_logged) return;
    l->refusal_logged = true;
    keys_text(l->public_key, text);
    log_error("refused: is the key allowed? public key: %s", text);
}

static void on_event(void *context, enum zsock_event event)
{
    struct link *l = context;
    if (event == ZSOCK_READY) {
        l->connected = true;
        l->heard_ns = clock_now_ns();
        say_hello(l);
        hello_later(l);
        return;
    }
    l->connected = false;
    l->greeted = false;
    leave(l, "the connection is lost");
    if (event == ZSOCK_KEY_REFUSED) log_refusal(l);
    if (event == ZSOCK_NO_HANDSHAKE && !l->stranger_logged) {
        l->stranger_logged = true;
        log_error("no handshake: is --server-key the key of this coordinator?");
    }
}

/* ---- beginning and end ---- */

static bool open_socket(struct link *l, uv_loop_t *loop, const struct link_options *o,
                        struct error *err)
{
    struct zsock_options options = {.url = o->url,
                                    .keys = o->keys,
                                    .server_key = o->server_key,
                                    .on_receive = on_receive,
                                    .on_event = on_event,
                                    .context = l};
    l->sock = zsock_open(loop, o->zmq_context, &options, err);
    return l->sock != NULL;
}

static void free_link(struct link *l)
{
    for (size_t i = 0; i < l->report_count; i++)
        buf_finish(&l->reports[i].envelope);
    free(l->reports);
    free(l->machine_id);
    free(l->host_name);
    free(l);
}

struct link *link_create(uv_loop_t *loop, const struct link_options *options, struct error *err)
{
    struct link *l = xcalloc(1, sizeof *l);
    l->host = options->host;
    if (!open_socket(l, loop, options, err)) {
        free(l);
        return NULL;
    }
    l->machine_id = xstrdup(options->machine_id);
    l->host_name = xstrdup(options->host_name);
    memcpy(l->public_key, options->keys->public_key, KEY_BYTES);
    id_random(l->boot_id, sizeof l->boot_id);
    backoff_init(&l->backoff, HELLO_FIRST_NS, HELLO_CAP_NS);
    l->version = PROTOCOL_MAX;
    l->alone_since_ns = clock_now_ns();
    ZOE_ASSERT(uv_timer_init(loop, &l->hello_timer) == 0);
    ZOE_ASSERT(uv_timer_init(loop, &l->beat_timer) == 0);
    l->hello_timer.data = l->beat_timer.data = l;
    return l;
}

static void on_part_closed(void *context)
{
    struct link *l = context;
    if (--l->open_parts > 0) return;
    if (l->on_closed) l->on_closed(l->closed_context);
    free_link(l);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void link_close(struct link *l, void (*on_closed)(void *context), void *context)
{
    l->on_closed = on_closed;
    l->closed_context = context;
    l->joined = l->connected = false;
    l->open_parts = 3;
    uv_close((uv_handle_t *)&l->hello_timer, on_timer_closed);
    uv_close((uv_handle_t *)&l->beat_timer, on_timer_closed);
    zsock_close(l->sock, on_part_closed, l);
}

bool link_is_joined(const struct link *l)
{
    return l->joined;
}

uint64_t link_session(const struct link *l)
{
    return l->session;
}

uint32_t link_version(const struct link *l)
{
    return l->version;
}

const uint8_t *link_boot_id(const struct link *l)
{
    return l->boot_id;
}

int64_t link_alone_ns(const struct link *l)
{
    return l->joined ? 0 : clock_now_ns() - l->alone_since_ns;
}

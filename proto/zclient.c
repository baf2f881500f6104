/* One DEALER and its monitor, polled until something is due. Requests are kept packed until
 * answered, so that they can be said again on a new connection. */
#include "proto/zclient.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "proto/zmonitor.h"
#include "proto/zparts.h"
#include "proto/zsetup.h"

#define SLICE_MS 100                /* how long one poll may take: the pace of `interrupted` */
#define REDIAL_NS (500 * NS_PER_MS) /* a person waits: sooner than a worker would */
#define ANSWERS_MAX 64              /* kept for one request; credits beyond that are repeats */

struct answer {
    struct answer *next;
    struct message *message;
};

struct request {
    struct request *next;
    uint64_t number;
    struct buf packed;
    bool sent;  /* on the present connection */
    bool ended; /* its last answer is in the list */
    struct answer *answers;
    int answer_count;
};

struct zclient {
    void *context;
    void *socket;
    void *monitor;
    uint64_t last_number;
    struct request *requests;
    bool linked;        /* handshake done */
    bool hello_wanted;  /* not yet handed to ZeroMQ */
    bool greeted;       /* welcome came */
    int64_t redial_ns;  /* when to dial anew, see zsetup_redial; 0 = not */
    bool strange;       /* somebody answered who is not our coordinator */
    struct error fatal; /* code ERROR_NONE while all is well */
    unsigned version;
    char *url;
    char *build;
    char *owner;
    char *role;
    char *server_build;
    bool (*interrupted)(void *context);
    void *interrupted_context;
};

/* ---- requests ---------------------------------------------------------------------------------
 */

static struct request *find_request(const struct zclient *c, uint64_t number)
{
    struct request *r = c->requests;
    while (r != NULL && r->number != number)
        r = r->next;
    return r;
}

static void free_request(struct request *r)
{
    while (r->answers != NULL) {
        struct answer *a = r->answers;
        r->answers = a->next;
        message_free(a->message);
        free(a);
    }
    buf_finish(&r->packed);
    free(r);
}

void zclient_forget(struct zclient *c, uint64_t request)
{
    for (struct request **at = &c->requests; *at != NULL; at = &(*at)->next) {
        struct request *r = *at;
        if (r->number != request) continue;
        *at = r->next;
        free_request(r);
        return;
    }
}

static void add_answer(struct request *r, struct message *m)
{
    struct answer *a = xcalloc(1, sizeof(*a));
    a->message = m;
    struct answer **at = &r->answers;
    while (*at != NULL)
        at = &(*at)->next;
    *at = a;
    r->answer_count++;
    r->ended = m->envelope->body_case != FARM__ENVELOPE__BODY_CREDIT;
}

static struct message *take_answer(struct request *r)
{
    struct answer *a = r->answers;
    if (a == NULL) return NULL;
    struct message *m = a->message;
    r->answers = a->next;
    r->answer_count--;
    free(a);
    return m;
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static bool send_parts(struct zclient *c, struct bytes envelope, struct bytes payload)
{
    bool more = payload.data != NULL;
    int rc = zparts_send(c->socket, envelope, more);
    if (rc >= 0 && more) (void)zparts_send(c->socket, payload, false);
    return rc >= 0;
}

static bool pack(struct zclient *c, uint64_t number, Farm__Envelope *envelope, struct buf *out,
                 struct error *err)
{
    envelope->version = c->version;
    envelope->request = number;
    struct error why = {0};
    if (codec_encode(envelope, MESSAGE_FROM_ADMIN, out, &why)) return true;
    return error_set(err, ERROR_INVALID, "%s", why.message); /* it was filled in by a person */
}

static void send_hello(struct zclient *c)
{
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    struct buf packed = BUF_INIT;
    hello.version_min = PROTOCOL_MIN;
    hello.version_max = PROTOCOL_MAX;
    hello.build = c->build;
    envelope.body_case = FARM__ENVELOPE__BODY_CLIENT_HELLO;
    envelope.client_hello = &hello;
    c->hello_wanted = pack(c, ++c->last_number, &envelope, &packed, &c->fatal) &&
                      !send_parts(c, (struct bytes){packed.data, packed.size}, (struct bytes){0});
    buf_finish(&packed);
}

static void send_outstanding(struct zclient *c)
{
    for (struct request *r = c->requests; r != NULL; r = r->next) {
        if (r->sent || r->ended) continue;
        codec_restamp(&r->packed, c->version); /* it may have been agreed on anew since */
        r->sent = send_parts(c, (struct bytes){r->packed.data, r->packed.size}, (struct bytes){0});
    }
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static void start_over(struct zclient *c)
{
    c->greeted = false;
    c->hello_wanted = c->linked;
    for (struct request *r = c->requests; r != NULL; r = r->next)
        r->sent = false;
}

static void take_event(struct zclient *c, enum zmonitor_event event)
{
    switch (event) {
    case ZMONITOR_READY:
        c->linked = true;
        c->strange = false;
        c->redial_ns = 0;
        start_over(c);
        break;
    case ZMONITOR_LOST:
        c->linked = false;
        c->redial_ns = clock_now_ns() + REDIAL_NS;
        start_over(c);
        break;
    case ZMONITOR_KEY_REFUSED:
        error_set(&c->fatal, ERROR_AUTH,
                  "the coordinator at %s does not know this key: key not allowed (an admin says "
                  "`zoe client allow KEY --name NAME`)",
                  c->url);
        break;
    case ZMONITOR_NO_HANDSHAKE:
        c->strange = true;
        c->redial_ns = clock_now_ns() + REDIAL_NS;
        break;
    default:
        break;
    }
}

static void set_text(char **at, const char *text)
{
    char *copy = xstrdup(text);
    free(*at);
    *at = copy;
}

static void take_welcome(struct zclient *c, const Farm__ClientWelcome *welcome)
{
    c->version = welcome->version;
    c->greeted = true;
    set_text(&c->owner, welcome->owner);
    set_text(&c->role, welcome->role);
    set_text(&c->server_build, welcome->build);
    send_outstanding(c);
}

static void take_for_request(struct zclient *c, struct message *m)
{
    struct request *r = find_request(c, m->envelope->request);
    if (r == NULL || r->ended || r->answer_count >= ANSWERS_MAX) {
        message_free(m);
        return;
    }
    message_keep_payload(m);
    add_answer(r, m);
}

static void take_message(struct zclient *c, struct message *m)
{
    const Farm__Envelope *e = m->envelope;
    switch (e->body_case) {
    case FARM__ENVELOPE__BODY_CLIENT_WELCOME:
        take_welcome(c, e->client_welcome);
        break;
    case FARM__ENVELOPE__BODY_WHO_ARE_YOU:
        start_over(c);
        break;
    case FARM__ENVELOPE__BODY_BYE:
        error_set(&c->fatal, error_code_from_name(e->bye->code), "%s", e->bye->message);
        break;
    default:
        take_for_request(c, m);
        return;
    }
    message_free(m);
}

/* What cannot be decoded is dropped: the request it was for runs into its time-out. */
static void take_parts(struct zclient *c, struct zparts *parts)
{
    if (parts->extra > 0 || parts->count > 2) return;
    struct bytes payload = {NULL, 0};
    if (parts->count == 2) payload = zparts_bytes(parts, 1);
    struct message *m = codec_decode(zparts_bytes(parts, 0), payload, MESSAGE_TO_CLIENT, NULL);
    if (m != NULL) take_message(c, m);
}

static void receive_all(struct zclient *c)
{
    enum zmonitor_event event = ZMONITOR_NOTHING;
    while (zmonitor_next(c->monitor, &event))
        take_event(c, event);
    struct zparts parts;
    while (zparts_receive(c->socket, &parts) == ZPARTS_MESSAGE) {
        take_parts(c, &parts);
        zparts_finish(&parts);
    }
    if (c->hello_wanted) send_hello(c);
    if (c->greeted) send_outstanding(c);
}

/* After the events: a connection that is back must not be cut. */
static void redial_when_due(struct zclient *c)
{
    if (c->redial_ns == 0 || clock_now_ns() < c->redial_ns) return;
    c->redial_ns = 0;
    (void)zsetup_redial(c->socket, c->url, NULL);
}

/* One slice of waiting. False when waiting makes no sense any more. */
static bool pump(struct zclient *c, int64_t deadline_ns, struct error *err)
{
    int64_t left_ms = (deadline_ns - clock_now_ns() + NS_PER_MS - 1) / NS_PER_MS;
    long slice = left_ms < 0 ? 0 : left_ms > SLICE_MS ? SLICE_MS : (long)left_ms;
    if (c->hello_wanted && slice > 10) slice = 10;
    zmq_pollitem_t items[] = {{c->socket, 0, ZMQ_POLLIN, 0}, {c->monitor, 0, ZMQ_POLLIN, 0}};
    (void)zmq_poll(items, 2, slice);
    receive_all(c);
    redial_when_due(c);
    if (c->fatal.code != ERROR_NONE) return error_set(err, c->fatal.code, "%s", c->fatal.message);
    if (c->interrupted == NULL || !c->interrupted(c->interrupted_context)) return true;
    return error_set(err, ERROR_INTERRUPTED, "interrupted");
}

static bool out_of_time(const struct zclient *c, int64_t timeout_ns, struct error *err)
{
    char waited[32];
    clock_duration_text(timeout_ns, waited, sizeof(waited));
    if (c->greeted) return error_set(err, ERROR_TIMEOUT, "no answer from %s in %s", c->url, waited);
    if (c->strange) {
        return error_set(err, ERROR_UNREACHABLE,
                         "%s answers, but not as our coordinator: is the server key right?",
                         c->url);
    }
    return error_set(err, ERROR_UNREACHABLE, "no coordinator answers at %s (waited %s)", c->url,
                     waited);
}

/* ---- opening and closing ------------------------------------------------------------------------
 */

static bool open_socket(struct zclient *c, const struct zclient_options *o, struct error *err)
{
    c->context = zmq_ctx_new();
    if (c->context != NULL) c->socket = zmq_socket(c->context, ZMQ_DEALER);
    if (c->socket == NULL) {
        return error_set(err, ERROR_IO, "no socket: %s", zmq_strerror(errno));
    }
    if (!zsetup_common(c->socket, err) || !zsetup_heartbeats(c->socket, err) ||
        !zsetup_int(c->socket, ZMQ_LINGER, 0, err) ||
        !zsetup_dealer(c->socket, o->keys, o->server_key, err)) {
        return false;
    }
    c->monitor = zmonitor_open(c->context, c->socket, err);
    return c->monitor != NULL && zsetup_connect(c->socket, o->url, err);
}

static bool wait_welcome(struct zclient *c, int64_t timeout_ns, struct error *err)
{
    int64_t deadline_ns = clock_now_ns() + timeout_ns;
    while (!c->greeted) {
        if (clock_now_ns() >= deadline_ns) return out_of_time(c, timeout_ns, err);
        if (!pump(c, deadline_ns, err)) return false;
    }
    return true;
}

struct zclient *zclient_open(const struct zclient_options *options, struct error *err)
{
    struct zclient *c = xcalloc(1, sizeof(*c));
    c->version = PROTOCOL_MAX;
    c->url = xstrdup(options->url);
    c->build = xstrdup(options->build != NULL ? options->build : "");
    c->owner = xstrdup("");
    c->role = xstrdup("");
    c->server_build = xstrdup("");
    c->interrupted = options->interrupted;
    c->interrupted_context = options->context;
    if (open_socket(c, options, err) && wait_welcome(c, options->timeout_ns, err)) return c;
    zclient_close(c);
    return NULL;
}

void zclient_close(struct zclient *c)
{
    if (c == NULL) return;
    while (c->requests != NULL)
        zclient_forget(c, c->requests->number);
    if (c->monitor != NULL) zmonitor_close(c->monitor, c->socket);
    if (c->socket != NULL) (void)zmq_close(c->socket);
    if (c->context != NULL) (void)zmq_ctx_term(c->context);
    free(c->url);
    free(c->build);
    free(c->owner);
    free(c->role);
    free(c->server_build);
    free(c);
}

const char *zclient_owner(const struct zclient *c)
{
    return c->owner;
}

const char *zclient_role(const struct zclient *c)
{
    return c->role;
}

const char *zclient_build(const struct zclient *c)
{
    return c->server_build;
}

/* ---- asking -------------------------------------------------------------------------------------
 */

uint64_t zclient_send(struct zclient *c, Farm__Envelope *envelope, struct error *err)
{
    struct buf packed = BUF_INIT;
    uint64_t number = ++c->last_number;
    if (!pack(c, number, envelope, &packed, err)) {
        buf_finish(&packed);
        return 0;
    }
    struct request *r = xcalloc(1, sizeof(*r));
    r->number = number;
    r->packed = packed;
    struct request **at = &c->requests;
    while (*at != NULL)
        at = &(*at)->next;
    *at = r;
    if (c->greeted) send_outstanding(c);
    return number;
}

bool zclient_send_part(struct zclient *c, uint64_t request, Farm__Envelope *envelope,
                       struct bytes payload, struct error *err)
{
    struct buf packed = BUF_INIT;
    bool ok = pack(c, request, envelope, &packed, err);
    if (ok && !(c->greeted && send_parts(c, (struct bytes){packed.data, packed.size}, payload))) {
        ok = error_set(err, ERROR_UNREACHABLE, "no connection to %s", c->url);
    }
    buf_finish(&packed);
    return ok;
}

/* The oldest waiting answer of `number`, or of any request when it is 0. */
static struct message *next_answer(struct zclient *c, uint64_t number)
{
    for (struct request *r = c->requests; r != NULL; r = r->next) {
        if (number != 0 && r->number != number) continue;
        struct message *m = take_answer(r);
        if (m == NULL) continue;
        if (r->ended && r->answers == NULL) zclient_forget(c, r->number);
        return m;
    }
    return NULL;
}

static struct message *give(struct message *m, struct message **problem_out, struct error *err)
{
    if (m->envelope->body_case != FARM__ENVELOPE__BODY_PROBLEM) return m;
    codec_problem_error(m->envelope->problem, err);
    if (problem_out != NULL) {
        *problem_out = m;
    } else {
        message_free(m);
    }
    return NULL;
}

struct message *zclient_receive(struct zclient *c, uint64_t request, int64_t timeout_ns,
                                struct message **problem_out, struct error *err)
{
    int64_t deadline_ns = clock_now_ns() + timeout_ns;
    if (problem_out != NULL) *problem_out = NULL;
    if (request != 0 && find_request(c, request) == NULL) {
        error_set(err, ERROR_INTERNAL, "request %llu is not under way",
                  (unsigned long long)request);
        return NULL;
    }
    for (;;) {
        struct message *m = next_answer(c, request);
        if (m != NULL) return give(m, problem_out, err);
        if (clock_now_ns() >= deadline_ns) break;
        if (!pump(c, deadline_ns, err)) return NULL;
    }
    out_of_time(c, timeout_ns, err);
    return NULL;
}

struct message *zclient_ask(struct zclient *c, Farm__Envelope *envelope,
                            Farm__Envelope__BodyCase expected, int64_t timeout_ns,
                            struct error *err)
{
    uint64_t number = zclient_send(c, envelope, err);
    if (number == 0) return NULL;
    struct message *m = zclient_receive(c, number, timeout_ns, NULL, err);
    zclient_forget(c, number);
    if (m == NULL || m->envelope->body_case == expected) return m;
    error_set(err, ERROR_INVALID, "the coordinator answered with %s", m->kind->name);
    message_free(m);
    return NULL;
}

/* The blocking client against a scripted coordinator in a thread of its own. */
#include "wire/wire.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/digest.h"
#include "proto/chunk.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "proto/zclient.h"

#define CONTENT_BYTES (5 * LIMIT_CHUNK_BYTES + 17)

/* ---- the coordinator: its thread owns everything but the flags
 * ------------------------------------ */

struct server {
    struct wire wire;
    struct zsock *socket;
    struct key_pair alice;
    char url[128];
    uv_thread_t thread;
    uv_async_t stop;
    uv_sem_t up;
    struct wire_impostor impostor;
    bool forgets;       /* says WhoAreYou once before it answers anything */
    bool refuses_hello; /* Bye: version */
    bool silent;        /* answers nothing but the hello */
    bool drops_link;    /* closes and opens its socket in the middle of a submit, once */
    zsock_peer parked_peer;
    uint64_t parked_request;
    atomic_int hellos;    /* each agrees on a version of its own, as after an upgrade */
    atomic_int misspoken; /* messages of another version */
    struct chunk_receiver receiver;
    struct digest_stream digest;
    uint8_t received[CONTENT_BYTES];
};

static void reply(struct server *s, zsock_peer peer, uint64_t request,
                  Farm__Envelope__BodyCase body, void *message)
{
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    struct buf packed = BUF_INIT;
    struct error err = {0};
    e.version = 1;
    e.request = request;
    e.body_case = body;
    e.problem = message; /* one pointer of the union */
    if (!codec_encode(&e, MESSAGE_TO_CLIENT, &packed, &err)) fail_msg("%s", err.message);
    (void)zsock_send(s->socket, peer, (struct bytes){packed.data, packed.size}, (struct bytes){0});
    buf_finish(&packed);
}

static void welcome(struct server *s, zsock_peer peer, uint64_t request)
{
    static char owner[] = "alice";
    static char role[] = "admin";
    static char build[] = "9.9";
    Farm__ClientWelcome m = FARM__CLIENT_WELCOME__INIT;
    m.version = (uint32_t)++s->hellos;
    m.owner = owner;
    m.role = role;
    m.build = build;
    reply(s, peer, request, FARM__ENVELOPE__BODY_CLIENT_WELCOME, &m);
}

static void bye(struct server *s, zsock_peer peer)
{
    static char code[] = "version";
    static char text[] = "speak 7 to 9";
    Farm__Bye m = FARM__BYE__INIT;
    m.code = code;
    m.message = text;
    reply(s, peer, 0, FARM__ENVELOPE__BODY_BYE, &m);
}

static void problem(struct server *s, zsock_peer peer, uint64_t request)
{
    static char code[] = "not_found";
    static char text[] = "no such batch";
    static char field[] = "steps";
    Farm__InputProblem input = FARM__INPUT_PROBLEM__INIT;
    Farm__InputProblem *inputs[] = {&input};
    Farm__Problem m = FARM__PROBLEM__INIT;
    m.code = code;
    m.message = text;
    m.inputs = inputs;
    m.n_inputs = 1;
    input.line = 12;
    input.field = field;
    input.message = text;
    reply(s, peer, request, FARM__ENVELOPE__BODY_PROBLEM, &m);
}

static void events(struct server *s, zsock_peer peer, uint64_t request)
{
    Farm__Events m = FARM__EVENTS__INIT;
    m.last = 5;
    reply(s, peer, request, FARM__ENVELOPE__BODY_EVENTS, &m);
}

static void grant(struct server *s, zsock_peer peer, uint64_t request)
{
    static char key[] = "key-1";
    Farm__Credit m = FARM__CREDIT__INIT;
    m.key = key;
    while (chunk_receiver_grant(&s->receiver, 2 * LIMIT_CHUNK_BYTES, UINT64_MAX, &m.offset,
                                &m.size_bytes)) {
        reply(s, peer, request, FARM__ENVELOPE__BODY_CREDIT, &m);
    }
}

static void accept_submit(struct server *s, zsock_peer peer, uint64_t request)
{
    static char id[] = "0123456789";
    Farm__Accepted m = FARM__ACCEPTED__INIT;
    m.batch = id;
    m.clips = 3;
    reply(s, peer, request, FARM__ENVELOPE__BODY_ACCEPTED, &m);
}

static void reopen(struct server *s);

static void take_chunk(struct server *s, const struct message *m, zsock_peer peer)
{
    uint32_t skip = 0;
    uint64_t offset = m->envelope->chunk->offset;
    enum chunk_verdict verdict =
        chunk_receiver_accept(&s->receiver, offset, (uint32_t)m->payload.size, &skip);
    if (verdict != CHUNK_TAKE) return;
    memcpy(s->received + offset + skip, m->payload.data + skip, m->payload.size - skip);
    if (s->drops_link && s->receiver.received > 3 * LIMIT_CHUNK_BYTES) {
        s->drops_link = false;
        reopen(s);
        return;
    }
    if (chunk_receiver_is_done(&s->receiver)) {
        accept_submit(s, peer, m->envelope->request);
    } else {
        grant(s, peer, m->envelope->request);
    }
}

static void open_submit(struct server *s, zsock_peer peer, uint64_t request)
{
    if (s->receiver.size_bytes == 0) chunk_receiver_init(&s->receiver, CONTENT_BYTES, 0);
    chunk_receiver_reset(&s->receiver);
    grant(s, peer, request);
}

static void answer(struct server *s, zsock_peer peer, const struct message *m)
{
    const Farm__Envelope *e = m->envelope;
    Farm__WhoAreYou who = FARM__WHO_ARE_YOU__INIT;
    Farm__Counts counts = FARM__COUNTS__INIT;
    Farm__Status status = FARM__STATUS__INIT;
    if (e->body_case == FARM__ENVELOPE__BODY_CLIENT_HELLO) {
        if (s->refuses_hello) bye(s, peer);
        if (!s->refuses_hello) welcome(s, peer, e->request);
        return;
    }
    if ((int)e->version != s->hellos) s->misspoken++;
    if (s->silent) return;
    if (s->forgets) {
        s->forgets = false;
        reply(s, peer, e->request, FARM__ENVELOPE__BODY_WHO_ARE_YOU, &who);
        return;
    }
    switch (e->body_case) {
    case FARM__ENVELOPE__BODY_STATUS_WANTED:
        status.clips = &counts;
        status.batches = 42;
        reply(s, peer, e->request, FARM__ENVELOPE__BODY_STATUS, &status);
        if (s->parked_request != 0) events(s, s->parked_peer, s->parked_request);
        s->parked_request = 0;
        break;
    case FARM__ENVELOPE__BODY_EVENTS_WANTED: /* answered after the next status */
        s->parked_peer = peer;
        s->parked_request = e->request;
        break;
    case FARM__ENVELOPE__BODY_SUBMIT_OPEN:
        open_submit(s, peer, e->request);
        break;
    case FARM__ENVELOPE__BODY_CHUNK:
        take_chunk(s, m, peer);
        break;
    default:
        problem(s, peer, e->request);
    }
}

static void on_receive(void *context, const struct zsock_received *m)
{
    struct server *s = context;
    struct error err = {0};
    struct message *message = codec_decode(
        m->envelope, m->has_payload ? m->payload : (struct bytes){0}, MESSAGE_FROM_ADMIN, &err);
    if (message == NULL) fail_msg("%s", err.message);
    answer(s, m->peer, message);
    message_free(message);
}

static void open_socket(struct server *s, const char *url)
{
    struct zsock_options o = {.router = true,
                              .url = url,
                              .keys = &s->wire.server,
                              .zap_domain = "test",
                              .on_receive = on_receive,
                              .context = s};
    s->socket = wire_bind(&s->wire, &o);
}

static void on_closed_reopen(void *context)
{
    struct server *s = context;
    open_socket(s, s->url);
}

static void reopen(struct server *s)
{
    zsock_close(s->socket, on_closed_reopen, s);
}

static void on_visit(void *context)
{
    struct server *s = context;
    wire_impostor_close(&s->impostor);
    open_socket(s, s->url);
}

static void on_stop(uv_async_t *handle)
{
    uv_stop(handle->loop);
}

static void run_server(void *argument)
{
    struct server *s = argument;
    uv_sem_post(&s->up);
    (void)uv_run(&s->wire.loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&s->stop, NULL);
    wire_close_socket(&s->wire, s->socket);
    wire_close(&s->wire);
}

static struct server *server_prepare(void)
{
    static char name[] = "alice";
    struct server *s = xcalloc(1, sizeof(*s));
    wire_open(&s->wire, true);
    keys_generate(&s->alice);
    wire_allow(&s->wire, &s->alice, name);
    assert_int_equal(uv_async_init(&s->wire.loop, &s->stop, on_stop), 0);
    assert_int_equal(uv_sem_init(&s->up, 0), 0);
    return s;
}

static struct server *server_start(void)
{
    struct server *s = server_prepare();
    open_socket(s, "tcp://127.0.0.1:*");
    (void)snprintf(s->url, sizeof(s->url), "%s", zsock_endpoint(s->socket));
    return s;
}

/* An impostor has its address until somebody comes by. */
static struct server *server_start_behind_impostor(void)
{
    struct server *s = server_prepare();
    s->impostor.on_visit = on_visit;
    s->impostor.context = s;
    wire_impostor_open(&s->wire, &s->impostor);
    (void)snprintf(s->url, sizeof(s->url), "%s", s->impostor.url);
    return s;
}

static void server_run(struct server *s)
{
    assert_int_equal(uv_thread_create(&s->thread, run_server, s), 0);
    uv_sem_wait(&s->up);
}

static void server_stop(struct server *s)
{
    (void)uv_async_send(&s->stop);
    (void)uv_thread_join(&s->thread);
    uv_sem_destroy(&s->up);
    free(s);
}

/* ---- the client
 * ------------------------------------------------------------------------------------ */

static struct zclient *connect_as(const struct server *s, const struct key_pair *keys,
                                  const uint8_t *server_key, int64_t timeout_ns, struct error *err)
{
    struct zclient_options o = {
        .url = s->url, .keys = keys, .timeout_ns = timeout_ns, .build = "0.1"};
    memcpy(o.server_key, server_key, KEY_BYTES);
    return zclient_open(&o, err);
}

static struct zclient *connect_alice(const struct server *s)
{
    struct error err = {0};
    struct zclient *c = connect_as(s, &s->alice, s->wire.server.public_key, 20 * NS_PER_S, &err);
    if (c == NULL) fail_msg("%s", err.message);
    return c;
}

static void status_envelope(Farm__Envelope *e, Farm__StatusWanted *m)
{
    *e = (Farm__Envelope)FARM__ENVELOPE__INIT;
    *m = (Farm__StatusWanted)FARM__STATUS_WANTED__INIT;
    e->body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    e->status_wanted = m;
}

static void ask_status(struct zclient *c)
{
    Farm__Envelope e;
    Farm__StatusWanted m;
    struct error err = {0};
    status_envelope(&e, &m);
    struct message *got = zclient_ask(c, &e, FARM__ENVELOPE__BODY_STATUS, 20 * NS_PER_S, &err);
    if (got == NULL) fail_msg("%s", err.message);
    assert_int_equal(got->envelope->status->batches, 42);
    message_free(got);
}

static void a_question_is_answered(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct zclient *c = connect_alice(s);
    assert_string_equal(zclient_owner(c), "alice");
    assert_string_equal(zclient_role(c), "admin");
    assert_string_equal(zclient_build(c), "9.9");
    for (int i = 0; i < 50; i++)
        ask_status(c);
    zclient_close(c);
    server_stop(s);
}

static void requests_may_overlap(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct zclient *c = connect_alice(s);
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__EventsWanted wanted = FARM__EVENTS_WANTED__INIT;
    struct error err = {0};
    e.body_case = FARM__ENVELOPE__BODY_EVENTS_WANTED;
    e.events_wanted = &wanted;
    uint64_t slow = zclient_send(c, &e, &err);
    assert_true(slow != 0);
    assert_null(zclient_receive(c, slow, 50 * NS_PER_MS, NULL, &err));
    assert_int_equal(err.code, ERROR_TIMEOUT);
    ask_status(c);
    struct message *m = zclient_receive(c, 0, 20 * NS_PER_S, NULL, &err);
    assert_non_null(m);
    assert_true(m->envelope->request == slow);
    assert_int_equal(m->envelope->events->last, 5);
    message_free(m);
    assert_null(zclient_receive(c, slow, 0, NULL, &err)); /* it is over */
    assert_int_equal(err.code, ERROR_INTERNAL);
    zclient_close(c);
    server_stop(s);
}

static void a_problem_becomes_the_error(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct zclient *c = connect_alice(s);
    char last[] = "last";
    struct error err = {0};
    struct message *why = NULL;
    Farm__Envelope e = FARM__ENVELOPE__INIT;
    Farm__BatchWanted wanted = FARM__BATCH_WANTED__INIT;
    wanted.batch = last;
    e.body_case = FARM__ENVELOPE__BODY_BATCH_WANTED;
    e.batch_wanted = &wanted;
    assert_null(zclient_ask(c, &e, FARM__ENVELOPE__BODY_BATCH, 20 * NS_PER_S, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_string_equal(err.message, "no such batch");
    uint64_t number = zclient_send(c, &e, &err);
    assert_null(zclient_receive(c, number, 20 * NS_PER_S, &why, &err));
    assert_non_null(why);
    assert_int_equal(why->envelope->problem->inputs[0]->line, 12);
    message_free(why);
    zclient_close(c);
    server_stop(s);
}

static void who_are_you_is_answered_by_starting_over(void **state)
{
    (void)state;
    struct server *s = server_start();
    s->forgets = true;
    server_run(s);
    struct zclient *c = connect_alice(s);
    ask_status(c);
    assert_int_equal(s->hellos, 2);
    assert_int_equal(s->misspoken, 0);
    zclient_close(c);
    server_stop(s);
}

static void silence_ends_in_time(void **state)
{
    (void)state;
    struct server *s = server_start();
    s->silent = true;
    server_run(s);
    struct zclient *c = connect_alice(s);
    Farm__Envelope e;
    Farm__StatusWanted m;
    struct error err = {0};
    status_envelope(&e, &m);
    assert_null(zclient_ask(c, &e, FARM__ENVELOPE__BODY_STATUS, 100 * NS_PER_MS, &err));
    assert_int_equal(err.code, ERROR_TIMEOUT);
    zclient_close(c);
    server_stop(s);
}

static void nobody_there_is_unreachable(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct server away = {.alice = s->alice};
    (void)snprintf(away.url, sizeof(away.url), "%s", s->url);
    server_stop(s);
    struct error err = {0};
    int64_t before_ns = clock_now_ns();
    assert_null(connect_as(&away, &away.alice, away.alice.public_key, 200 * NS_PER_MS, &err));
    assert_int_equal(err.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(err.message, away.url));
    assert_true(clock_now_ns() - before_ns < 10 * NS_PER_S);
    (void)snprintf(away.url, sizeof(away.url), "tcp://nonsense");
    assert_null(connect_as(&away, &away.alice, away.alice.public_key, NS_PER_S, &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

static void an_unknown_key_is_told_at_once(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct key_pair stranger;
    struct error err = {0};
    keys_generate(&stranger);
    assert_null(
        connect_as(s, &stranger, s->wire.server.public_key, WIRE_PATIENCE_MS * NS_PER_MS, &err));
    assert_int_equal(err.code, ERROR_AUTH);
    assert_non_null(strstr(err.message, "key not allowed"));
    server_stop(s);
}

static void a_wrong_server_key_is_hinted_at(void **state)
{
    (void)state;
    struct server *s = server_start();
    server_run(s);
    struct error err = {0};
    assert_null(connect_as(s, &s->alice, s->alice.public_key, NS_PER_S, &err));
    assert_int_equal(err.code, ERROR_UNREACHABLE);
    assert_non_null(strstr(err.message, "server key"));
    server_stop(s);
}

static void an_impostor_may_give_way_to_the_coordinator(void **state)
{
    (void)state;
    struct server *s = server_start_behind_impostor();
    server_run(s);
    struct zclient *c = connect_alice(s);
    assert_int_equal(s->impostor.visitors, 1);
    ask_status(c);
    zclient_close(c);
    server_stop(s);
}

static void a_bye_ends_it(void **state)
{
    (void)state;
    struct server *s = server_start();
    s->refuses_hello = true;
    server_run(s);
    struct error err = {0};
    assert_null(connect_as(s, &s->alice, s->wire.server.public_key, 20 * NS_PER_S, &err));
    assert_int_equal(err.code, ERROR_VERSION);
    server_stop(s);
}

static bool at_once(void *context)
{
    (void)context;
    return true;
}

static void waiting_can_be_interrupted(void **state)
{
    (void)state;
    struct key_pair keys;
    struct error err = {0};
    keys_generate(&keys);
    struct zclient_options o = {.url = "tcp://127.0.0.1:1",
                                .keys = &keys,
                                .timeout_ns = 3600 * NS_PER_S,
                                .interrupted = at_once};
    assert_null(zclient_open(&o, &err));
    assert_int_equal(err.code, ERROR_INTERRUPTED);
}

struct seen {
    uint64_t last;
    int calls;
};

static void on_progress(void *context, uint64_t done, uint64_t total)
{
    struct seen *seen = context;
    assert_int_equal(total, CONTENT_BYTES);
    seen->last = done;
    seen->calls++;
}

static void submit(bool broken)
{
    struct server *s = server_start();
    s->drops_link = broken;
    server_run(s);
    struct zclient *c = connect_alice(s);
    uint8_t *content = xmalloc(CONTENT_BYTES);
    for (size_t i = 0; i < CONTENT_BYTES; i++)
        content[i] = (uint8_t)(i * 7 + (i >> 11));
    struct digest digest = digest_of(content, CONTENT_BYTES);
    char format[] = "text";
    struct seen seen = {0};
    struct error err = {0};
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = CONTENT_BYTES;
    open.format = format;
    struct message *m = zclient_submit(c, &open, (struct bytes){content, CONTENT_BYTES},
                                       20 * NS_PER_S, on_progress, &seen, NULL, &err);
    if (m == NULL) fail_msg("%s", err.message);
    assert_int_equal(m->envelope->accepted->clips, 3);
    assert_int_equal(seen.last, CONTENT_BYTES);
    assert_true(seen.calls >= 3);
    assert_memory_equal(s->received, content, CONTENT_BYTES);
    assert_int_equal(s->hellos, broken ? 2 : 1);
    message_free(m);
    free(content);
    zclient_close(c);
    server_stop(s);
}

static void a_submit_goes_in_credited_pieces(void **state)
{
    (void)state;
    submit(false);
}

static void a_submit_survives_a_broken_connection(void **state)
{
    (void)state;
    submit(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_answered),
        cmocka_unit_test(requests_may_overlap),
        cmocka_unit_test(a_problem_becomes_the_error),
        cmocka_unit_test(who_are_you_is_answered_by_starting_over),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(an_unknown_key_is_told_at_once),
        cmocka_unit_test(a_wrong_server_key_is_hinted_at),
        cmocka_unit_test(an_impostor_may_give_way_to_the_coordinator),
        cmocka_unit_test(a_bye_ends_it),
        cmocka_unit_test(waiting_can_be_interrupted),
        cmocka_unit_test(a_submit_goes_in_credited_pieces),
        cmocka_unit_test(a_submit_survives_a_broken_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

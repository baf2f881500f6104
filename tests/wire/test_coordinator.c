/* A real coordinator and peers that hold nothing sacred: whatever they say, it stays up and serves
 * the next one. */
#include "wire/farm_peer.h"

struct cast { /* who takes part in every test */
    struct farm_process farm;
    struct key_pair submit_keys;
    struct key_pair worker_keys[3];
    struct peer admin;
};

static struct cast cast;

static int open_cast(void **state)
{
    (void)state;
    char submit[] = "submit", worker[] = "worker", ann[] = "ann", w1[] = "w1", w2[] = "w2",
         w3[] = "w3";
    farm_open(&cast.farm);
    cast.admin = peer_client(&cast.farm, &cast.farm.admin);
    keys_generate(&cast.submit_keys);
    keys_generate(&cast.worker_keys[0]);
    keys_generate(&cast.worker_keys[1]);
    keys_generate(&cast.worker_keys[2]);
    peer_allow(&cast.admin, &cast.submit_keys, submit, ann);
    peer_allow(&cast.admin, &cast.worker_keys[0], worker, w1);
    peer_allow(&cast.admin, &cast.worker_keys[1], worker, w2);
    peer_allow(&cast.admin, &cast.worker_keys[2], worker, w3);
    return 0;
}

static int close_cast(void **state)
{
    (void)state;
    peer_close(&cast.admin);
    farm_close(&cast.farm);
    return 0;
}

static struct peer open_worker(int index)
{
    return peer_open(&cast.farm, false, &cast.worker_keys[index]);
}

static void await_bad_messages(uint64_t count)
{
    int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    while (peer_bad_messages(&cast.admin) < count)
        if (clock_now_ns() > until_ns) fail_msg("bad messages are not counted");
}

/* ---- bytes ---- */

/* Numbers of parts, empty parts, noise and frames that are too long; from somebody who is in. */
static void send_nonsense(struct peer *p)
{
    static const uint8_t noise[70000] = {0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x12};
    const struct bytes none = {noise, 0}, some = {noise, 9}, much = {noise, sizeof(noise)};
    const struct bytes lists[][4] = {{none},       {some},       {much},
                                     {none, none}, {some, none}, {some, some, some, some}};
    static const size_t counts[] = {1, 1, 1, 2, 2, 4};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        peer_send_parts(p, lists[i], counts[i]);
}

static void nonsense_is_counted_and_disturbs_nobody(void **state)
{
    (void)state;
    uint64_t before = peer_bad_messages(&cast.admin);
    struct peer client = peer_client(&cast.farm, &cast.submit_keys), worker = open_worker(0);
    uint64_t session = peer_join(&worker);
    send_nonsense(&client);
    send_nonsense(&worker);
    await_bad_messages(before + 12);
    peer_beat(&worker, session); /* the same connections are served */
    (void)peer_bad_messages(&client);
    peer_close(&client);
    peer_close(&worker);
}

static void a_frame_over_the_limit_costs_the_connection(void **state)
{
    (void)state;
    uint8_t *huge = xcalloc(1, 2 * LIMIT_FRAME_BYTES);
    const struct bytes part = {huge, 2 * LIMIT_FRAME_BYTES};
    struct peer client = peer_client(&cast.farm, &cast.submit_keys), worker = open_worker(0);
    (void)peer_join(&worker);
    peer_send_parts(&client, &part, 1);
    peer_send_parts(&worker, &part, 1);
    free(huge);
    (void)peer_bad_messages(&cast.admin);
    struct peer again = peer_client(&cast.farm, &cast.submit_keys);
    (void)peer_bad_messages(&again);
    peer_close(&again);
    peer_close(&client);
    peer_close(&worker);
}

/* A Hello that is as large as one may be. */
static struct buf sound_hello(void)
{
    static uint8_t boot[ID_BOOT_BYTES];
    static char machine[] = "machine", backend[] = "cpu", batch[] = "0123456789";
    static Farm__Slot slot_of[8];
    static Farm__Attempt attempts[8];
    static Farm__Held held_of[8];
    Farm__Slot *slots[8];
    Farm__Held *held[8];
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    for (uint32_t i = 0; i < 8; i++) {
        farm__slot__init(slots[i] = &slot_of[i]);
        farm__attempt__init(&attempts[i]);
        farm__held__init(held[i] = &held_of[i]);
        slots[i]->index = i;
        slots[i]->backend = backend;
        attempts[i].batch = batch;
        attempts[i].fence = INT64_MAX;
        held[i]->attempt = &attempts[i];
        held[i]->phase = FARM__PHASE__PHASE_UPLOADING;
    }
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello.boot_id = (ProtobufCBinaryData){sizeof(boot), boot};
    hello.machine_id = machine;
    hello.slots = slots;
    hello.held = held;
    hello.n_slots = hello.n_held = 8;
    envelope.version = PROTOCOL_MAX;
    envelope.body_case = FARM__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    return peer_pack(&envelope);
}

/* Welcomes of earlier Hellos may still be on their way. */
static void await_served(struct peer *worker)
{
    int64_t until_ns = clock_now_ns() + WIRE_PATIENCE_MS * NS_PER_MS;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    enum { SEEN = FARM__ENVELOPE__BODY_HEARTBEAT_SEEN, WHO = FARM__ENVELOPE__BODY_WHO_ARE_YOU };
    int body = 0;
    while (body != SEEN && clock_now_ns() < until_ns) {
        beat.session = peer_join(worker);
        PEER_SAY(worker, HEARTBEAT, heartbeat, &beat);
        for (body = 0; body != SEEN && body != WHO;) {
            struct message *m = peer_receive(worker, WIRE_PATIENCE_MS);
            assert_non_null(m);
            body = (int)m->envelope->body_case;
            message_free(m);
        }
    }
    assert_int_equal(body, SEEN);
}

/* The DEALER's own limits are generous: nothing here waits for an answer before the end. */
static void every_beginning_and_many_twists_of_a_message(void **state)
{
    (void)state;
    struct peer worker = open_worker(2), client = peer_client(&cast.farm, &cast.submit_keys);
    struct peer next = open_worker(1); /* the first one's starts are used up */
    struct buf hello = sound_hello();
    uint64_t random = 42;
    for (size_t size = 1; size < hello.size; size++) {
        const struct bytes part = {hello.data, size};
        peer_send_parts(&worker, &part, 1);
        if (size % 7 == 0) peer_send_parts(&client, &part, 1);
    }
    for (int i = 0; i < 600; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        const struct bytes part = {hello.data, hello.size};
        size_t at = (size_t)(random >> 33) % hello.size;
        uint8_t kept = hello.data[at];
        hello.data[at] ^= (uint8_t)(1u << (random >> 61));
        peer_send_parts(i % 3 ? &worker : &client, &part, 1);
        hello.data[at] = kept;
    }
    (void)peer_bad_messages(&client);
    await_served(&next);
    buf_finish(&hello);
    peer_close(&next);
    peer_close(&worker);
    peer_close(&client);
}

static void other_versions_are_told_so(void **state)
{
    (void)state;
    struct peer client = peer_open(&cast.farm, true, &cast.submit_keys), worker = open_worker(0);
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    hello.version_min = hello.version_max = PROTOCOL_MAX + 1;
    PEER_SAY(&client, CLIENT_HELLO, client_hello, &hello);
    struct message *m = peer_expect(&client, FARM__ENVELOPE__BODY_BYE);
    assert_string_equal(m->envelope->bye->code, "version");
    assert_non_null(strstr(m->envelope->bye->message, "upgrade the coordinator"));
    message_free(m);
    peer_close(&client);
    client = peer_client(&cast.farm, &cast.submit_keys);
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    envelope.version = PROTOCOL_MAX + 1;
    envelope.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    envelope.status_wanted = &wanted;
    peer_send(&client, &envelope, (struct bytes){NULL, 0});
    peer_expect_problem(&client, "version");
    peer_close(&client);
    peer_close(&worker);
}

static uint32_t version_agreed_on(struct peer *worker, uint32_t version_min, uint32_t version_max)
{
    static uint8_t boot[ID_BOOT_BYTES] = {7};
    char machine[] = "machine", backend[] = "cpu";
    Farm__Slot slot = FARM__SLOT__INIT, *slots[] = {&slot};
    Farm__Hello hello = FARM__HELLO__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    slot.backend = backend;
    hello.version_min = version_min;
    hello.version_max = version_max;
    hello.connection = FARM__CONNECTION__CONNECTION_CONTROL;
    hello.boot_id = (ProtobufCBinaryData){sizeof(boot), boot};
    hello.machine_id = machine;
    hello.slots = slots;
    hello.n_slots = 1;
    envelope.version = version_max;
    envelope.body_case = FARM__ENVELOPE__BODY_HELLO;
    envelope.hello = &hello;
    peer_send(worker, &envelope, (struct bytes){NULL, 0});
    struct message *m = peer_expect(worker, FARM__ENVELOPE__BODY_WELCOME);
    uint32_t version = m->envelope->welcome->version;
    message_free(m);
    return version;
}

/* It may have agreed on its number with a newer coordinator, which has gone back to this one. */
static void a_newer_worker_is_met_at_our_version(void **state)
{
    (void)state;
    struct peer worker = open_worker(1);
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    envelope.version = PROTOCOL_MAX + 1;
    envelope.body_case = FARM__ENVELOPE__BODY_HEARTBEAT;
    envelope.heartbeat = &beat;
    peer_send(&worker, &envelope, (struct bytes){NULL, 0});
    peer_skip(&worker, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    assert_int_equal(version_agreed_on(&worker, PROTOCOL_MAX, PROTOCOL_MAX + 1), PROTOCOL_MAX);
    peer_close(&worker);
}

/* ---- roles ---- */

static void nobody_is_heard_before_hello(void **state)
{
    (void)state;
    struct peer client = peer_open(&cast.farm, true, &cast.submit_keys), worker = open_worker(0);
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    Farm__Leaving leaving = FARM__LEAVING__INIT;
    PEER_SAY(&client, STATUS_WANTED, status_wanted, &wanted);
    peer_skip(&client, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    PEER_SAY(&worker, HEARTBEAT, heartbeat, &beat);
    peer_skip(&worker, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    PEER_SAY(&worker, LEAVING, leaving, &leaving);
    peer_skip(&worker, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    peer_close(&client);
    peer_close(&worker);
}

static void a_key_opens_its_own_socket_only(void **state)
{
    (void)state;
    struct key_pair stranger;
    keys_generate(&stranger);
    struct peer peers[] = {peer_open(&cast.farm, false, &cast.submit_keys),
                           peer_open(&cast.farm, false, &cast.farm.admin),
                           peer_open(&cast.farm, true, &cast.worker_keys[0]),
                           peer_open(&cast.farm, true, &stranger)};
    Farm__ClientHello hello = FARM__CLIENT_HELLO__INIT;
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    for (size_t i = 0; i < 4; i++)
        PEER_SAY(&peers[i], CLIENT_HELLO, client_hello, &hello);
    for (size_t i = 0; i < 4; i++) {
        peer_expect_silence(&peers[i], 100);
        peer_close(&peers[i]);
    }
}

static void what_a_submit_key_may_not(void **state)
{
    (void)state;
    struct peer client = peer_client(&cast.farm, &cast.submit_keys);
    uint8_t key[KEY_BYTES] = {9};
    char role[] = "admin", name[] = "me", worker[] = "w1";
    Farm__KeyAllow allow = FARM__KEY_ALLOW__INIT;
    Farm__WorkerAction drain = FARM__WORKER_ACTION__INIT;
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    Farm__Welcome welcome = FARM__WELCOME__INIT;
    allow.key = (ProtobufCBinaryData){KEY_BYTES, key};
    allow.role = role;
    allow.name = name;
    PEER_SAY(&client, KEY_ALLOW, key_allow, &allow);
    peer_expect_problem(&client, "auth");
    drain.name = worker;
    drain.verb = FARM__WORKER_VERB__WORKER_DRAIN;
    PEER_SAY(&client, WORKER_ACTION, worker_action, &drain);
    peer_expect_problem(&client, "auth");
    PEER_SAY(&client, HEARTBEAT, heartbeat, &beat); /* a worker's */
    peer_expect_problem(&client, "auth");
    PEER_SAY(&client, WELCOME, welcome, &welcome); /* the coordinator's own */
    peer_expect_problem(&client, "auth");
    peer_close(&client);
}

static void a_worker_that_speaks_like_others(void **state)
{
    (void)state;
    struct peer worker = open_worker(0);
    uint64_t session = peer_join(&worker), before = peer_bad_messages(&cast.admin);
    uint8_t key[KEY_BYTES] = {9};
    char role[] = "admin", name[] = "me";
    Farm__KeyAllow allow = FARM__KEY_ALLOW__INIT;
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    Farm__Drain drain = FARM__DRAIN__INIT;
    allow.key = (ProtobufCBinaryData){KEY_BYTES, key};
    allow.role = role;
    allow.name = name;
    drain.message = 1;
    PEER_SAY(&worker, KEY_ALLOW, key_allow, &allow);
    PEER_SAY(&worker, STATUS_WANTED, status_wanted, &wanted);
    PEER_SAY(&worker, DRAIN, drain, &drain);
    peer_beat(&worker, session);
    assert_true(peer_bad_messages(&cast.admin) >= before + 3);
    struct key_pair mine = {0}; /* and the key was not allowed */
    memcpy(mine.public_key, key, KEY_BYTES);
    peer_allow(&cast.admin, &mine, (char[]){"submit"}, name);
    peer_close(&worker);
}

/* ---- sessions ---- */

static void a_session_is_its_workers_own(void **state)
{
    (void)state;
    struct peer first = open_worker(0), second = open_worker(1), bulk = open_worker(1);
    uint64_t session = peer_join(&first), other = peer_join(&second);
    uint8_t boot[ID_BOOT_BYTES] = {1};
    Farm__Heartbeat beat = FARM__HEARTBEAT__INIT;
    Farm__Hello hello = FARM__HELLO__INIT;
    beat.session = session;
    PEER_SAY(&second, HEARTBEAT, heartbeat, &beat);
    peer_skip(&second, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    hello.version_min = hello.version_max = PROTOCOL_MAX;
    hello.connection = FARM__CONNECTION__CONNECTION_BULK;
    hello.boot_id = (ProtobufCBinaryData){sizeof(boot), boot};
    for (uint64_t wrong = session; wrong != 0; wrong = wrong == session ? UINT64_MAX : 0) {
        hello.session = wrong;
        PEER_SAY(&bulk, HELLO, hello, &hello);
        peer_skip(&bulk, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    }
    hello.session = other;
    PEER_SAY(&bulk, HELLO, hello, &hello);
    peer_skip(&bulk, FARM__ENVELOPE__BODY_WELCOME);
    uint64_t newer = peer_join(&first); /* the older session is over */
    assert_true(newer > session);
    PEER_SAY(&first, HEARTBEAT, heartbeat, &beat);
    peer_skip(&first, FARM__ENVELOPE__BODY_WHO_ARE_YOU);
    peer_beat(&first, newer);
    peer_close(&first);
    peer_close(&second);
    peer_close(&bulk);
}

/* Fences at the edge of what fits, attempts of nobody, answers to what was not asked. */
static void reports_about_nothing(void **state)
{
    (void)state;
    struct peer worker = open_worker(0);
    uint64_t session = peer_join(&worker);
    static const uint64_t fences[] = {1, UINT64_C(1) << 48, INT64_MAX};
    char batch[] = "0123456789", none[] = "";
    for (size_t i = 0; i < 6; i++) {
        Farm__Attempt attempt = FARM__ATTEMPT__INIT;
        attempt.batch = i % 2 ? batch : none;
        attempt.clip = LIMIT_SUBMIT_CLIPS - 1;
        attempt.fence = fences[i / 2];
        Farm__Started started = {PROTOBUF_C_MESSAGE_INIT(&farm__started__descriptor), &attempt};
        Farm__HandedBack back = FARM__HANDED_BACK__INIT;
        Farm__Ended ended = FARM__ENDED__INIT;
        Farm__Progress progress = FARM__PROGRESS__INIT;
        Farm__CanaryDone done = FARM__CANARY_DONE__INIT;
        back.attempt = ended.attempt = progress.attempt = &attempt;
        back.reason = FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN;
        ended.kind = FARM__END_KIND__END_FAILED;
        progress.phase = FARM__PHASE__PHASE_DECODING;
        progress.amount = UINT64_MAX;
        done.number = 1000 + i;
        PEER_SAY(&worker, STARTED, started, &started);
        PEER_SAY(&worker, HANDED_BACK, handed_back, &back);
        PEER_SAY(&worker, ENDED, ended, &ended);
        PEER_SAY(&worker, PROGRESS, progress, &progress);
        PEER_SAY(&worker, CANARY_DONE, canary_done, &done);
    }
    peer_beat(&worker, session);
    peer_close(&worker);
}

/* ---- floods ---- */

static void many_questions_at_once(void **state)
{
    (void)state;
    enum { QUESTIONS = 500 };
    struct peer client = peer_client(&cast.farm, &cast.submit_keys);
    Farm__ModelsWanted models = FARM__MODELS_WANTED__INIT;
    Farm__EventsWanted events = FARM__EVENTS_WANTED__INIT;
    int answers = 0, refused = 0;
    events.after = UINT32_MAX;
    events.wait_ms = LIMIT_EVENT_WAIT_MS;
    for (int i = 0; i < QUESTIONS; i++) {
        PEER_SAY(&client, MODELS_WANTED, models_wanted, &models);
        PEER_SAY(&client, EVENTS_WANTED, events_wanted, &events);
    }
    while (answers + refused < QUESTIONS) {
        struct message *m = peer_receive(&client, WIRE_PATIENCE_MS);
        assert_non_null(m);
        answers += m->envelope->body_case == FARM__ENVELOPE__BODY_MODELS;
        refused += m->envelope->body_case == FARM__ENVELOPE__BODY_PROBLEM;
        message_free(m);
    }
    /* How many are refused tells how slow it is: each has its answer, or is told to try again. */
    assert_true(answers > 0);
    (void)peer_bad_messages(&cast.admin);
    peer_close(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_is_counted_and_disturbs_nobody),
        cmocka_unit_test(a_frame_over_the_limit_costs_the_connection),
        cmocka_unit_test(every_beginning_and_many_twists_of_a_message),
        cmocka_unit_test(other_versions_are_told_so),
        cmocka_unit_test(a_newer_worker_is_met_at_our_version),
        cmocka_unit_test(nobody_is_heard_before_hello),
        cmocka_unit_test(a_key_opens_its_own_socket_only),
        cmocka_unit_test(what_a_submit_key_may_not),
        cmocka_unit_test(a_worker_that_speaks_like_others),
        cmocka_unit_test(a_session_is_its_workers_own),
        cmocka_unit_test(reports_about_nothing),
        cmocka_unit_test(many_questions_at_once),
    };
    return cmocka_run_group_tests(tests, open_cast, close_cast);
}

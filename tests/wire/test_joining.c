/* Who gets in with a token: as often as it says, while it lasts, with one word; a real coordinator
 * and peers that try everything. */
#include "wire/admin_farm.h"

#include "proto/token.h"
#include "proto/zjoin.h"
#include "proto/zmonitor.h"
#include "proto/zsetup.h"

struct plea { /* a token, and a key that would like to come in */
    struct token token;
    char id[TOKEN_ID_TEXT_SIZE];
    struct key_pair keys;
    bool ephemeral;
};

static void create(struct plea *p, const char *role, unsigned uses, unsigned ttl_s,
                   const char *name)
{
    struct error err = {0};
    char role_text[16], name_text[64];
    Farm__TokenCreate body = FARM__TOKEN_CREATE__INIT;
    (void)snprintf(role_text, sizeof(role_text), "%s", role);
    (void)snprintf(name_text, sizeof(name_text), "%s", name);
    body.role = role_text;
    body.name = name_text;
    body.ephemeral = p->ephemeral;
    body.uses = uses;
    body.ttl_s = ttl_s;
    PEER_SAY(&admin, TOKEN_CREATE, token_create, &body);
    struct message *m = peer_expect(&admin, FARM__ENVELOPE__BODY_TOKEN_CREATED);
    if (!token_parse(m->envelope->token_created->token, &p->token, &err))
        fail_msg("%s", err.message);
    (void)snprintf(p->id, sizeof(p->id), "%s", m->envelope->token_created->id);
    message_free(m);
    keys_generate(&p->keys);
}

static void revoke_token(const struct plea *p)
{
    char id[TOKEN_ID_TEXT_SIZE];
    Farm__TokenRevoke body = FARM__TOKEN_REVOKE__INIT;
    memcpy(id, p->id, sizeof(id));
    body.id = id;
    PEER_SAY(&admin, TOKEN_REVOKE, token_revoke, &body);
    peer_skip(&admin, FARM__ENVELOPE__BODY_TOKENS);
}

struct spoken {
    uint32_t min, max; /* versions of the protocol; the envelope is of the latter */
};

static const struct spoken ours = {PROTOCOL_MIN, PROTOCOL_MAX};

static void say_join_in(struct peer *peer, const struct plea *p, bool rightly, const char *asked,
                        struct spoken spoken)
{
    uint8_t id[TOKEN_ID_BYTES], key[TOKEN_KEY_BYTES], proof[TOKEN_PROOF_BYTES];
    char name[64];
    Farm__Join join = FARM__JOIN__INIT;
    memcpy(id, p->token.id, sizeof(id));
    token_key(p->token.secret, key);
    token_proof(key, p->keys.public_key, p->token.server_key, proof);
    proof[7] ^= rightly ? 0 : 1;
    (void)snprintf(name, sizeof(name), "%s", asked);
    join.token = (ProtobufCBinaryData){sizeof(id), id};
    join.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    join.name = name;
    join.version_min = spoken.min;
    join.version_max = spoken.max;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    envelope.version = spoken.max;
    envelope.request = ++peer->request;
    envelope.body_case = FARM__ENVELOPE__BODY_JOIN;
    envelope.join = &join;
    peer_send(peer, &envelope, (struct bytes){NULL, 0});
}

static void say_join_as(struct peer *peer, const struct plea *p, bool rightly, const char *asked)
{
    say_join_in(peer, p, rightly, asked, ours);
}

static void say_join(struct peer *peer, const struct plea *p, bool rightly)
{
    say_join_as(peer, p, rightly, "host name/..");
}

static void expect_joined(struct peer *peer, const char *name, const char *role)
{
    struct message *m = peer_expect(peer, FARM__ENVELOPE__BODY_JOINED);
    assert_string_equal(m->envelope->joined->name, name);
    assert_string_equal(m->envelope->joined->role, role);
    message_free(m);
}

static void expect_bye_of(struct peer *peer, const char *code, const char *says)
{
    struct message *m = peer_expect(peer, FARM__ENVELOPE__BODY_BYE);
    assert_string_equal(m->envelope->bye->code, code);
    if (strstr(m->envelope->bye->message, says) == NULL) fail_msg("%s", m->envelope->bye->message);
    message_free(m);
}

static void expect_bye(struct peer *peer, const char *says)
{
    expect_bye_of(peer, "auth", says);
}

static void a_worker_joins_and_says_hello_on_the_same_connection(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    create(&p, "worker", 1, 3600, "gpu");
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join(&worker, &p, true);
    expect_joined(&worker, "gpu-1", "worker");
    say_join(&worker, &p, true); /* its Joined might have been lost */
    expect_joined(&worker, "gpu-1", "worker");
    uint64_t session = peer_join(&worker);
    peer_beat(&worker, session);
    peer_close(&worker);
}

/* Hello agrees on a version afterwards. */
static void who_speaks_a_newer_protocol_too_joins(void **state)
{
    (void)state;
    const struct spoken newer = {PROTOCOL_MIN, PROTOCOL_MAX + 1};
    struct plea p = {.ephemeral = false};
    create(&p, "worker", 1, 3600, "newer");
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join_in(&worker, &p, true, "host", newer);
    expect_joined(&worker, "newer-1", "worker");
    say_join_in(&worker, &p, true, "host", newer); /* its Joined might have been lost */
    expect_joined(&worker, "newer-1", "worker");
    peer_close(&worker);
}

static void who_speaks_no_protocol_of_ours_costs_no_use(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    create(&p, "worker", 1, 3600, "future");
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join_in(&worker, &p, true, "host", (struct spoken){PROTOCOL_MAX + 1, PROTOCOL_MAX + 2});
    expect_bye_of(&worker, "version", "upgrade the coordinator");
    peer_close(&worker);
    keys_generate(&p.keys);
    worker = peer_open(&farm, false, &p.keys);
    say_join(&worker, &p, true);
    expect_joined(&worker, "future-1", "worker");
    peer_close(&worker);
}

static void a_client_joins_under_a_name_of_its_own(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    create(&p, "submit", 2, 3600, "");
    struct peer client = peer_open(&farm, true, &p.keys);
    say_join(&client, &p, true);
    expect_joined(&client, "host-name-..", "submit");
    peer_close(&client);
    keys_generate(&p.keys);
    client = peer_open(&farm, true, &p.keys);
    say_join(&client, &p, true);
    expect_joined(&client, "host-name-..-2", "submit"); /* nobody becomes somebody else's owner */
    peer_close(&client);
    client = peer_client(&farm, &p.keys);
    peer_close(&client);
}

static void revoke_key(const char *name)
{
    char text[LIMIT_NAME_BYTES + 1];
    Farm__KeyRevoke body = FARM__KEY_REVOKE__INIT;
    (void)snprintf(text, sizeof(text), "%s", name);
    body.key = text;
    PEER_SAY(&admin, KEY_REVOKE, key_revoke, &body);
    peer_skip(&admin, FARM__ENVELOPE__BODY_KEY_REVOKED);
}

static void expect_name(struct plea *p, const char *asked, const char *name, const char *role)
{
    keys_generate(&p->keys);
    struct peer peer = peer_open(&farm, strcmp(role, "worker") != 0, &p->keys);
    say_join_as(&peer, p, true, asked);
    expect_joined(&peer, name, role);
    peer_close(&peer);
}

/* What ann has submitted stays hers when her key is gone, and so does the name. */
static void nobody_joins_as_an_owner_of_before(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    struct key_pair keys;
    char role[] = "submit", ann[] = "ann", ben[] = "ben", batch[ID_BATCH_SIZE];
    keys_generate(&keys);
    peer_allow(&admin, &keys, role, ann);
    struct peer client = peer_client(&farm, &keys);
    peer_submit(&client, "a fox\n", "{\"model\":\"shapes\"}", batch);
    peer_close(&client);
    revoke_key(ann);
    Farm__OwnerSet set = FARM__OWNER_SET__INIT;
    set.name = ben;
    set.share = 2;
    PEER_SAY(&admin, OWNER_SET, owner_set, &set);
    peer_skip(&admin, FARM__ENVELOPE__BODY_OWNER);
    create(&p, "submit", 3, 3600, "");
    expect_name(&p, "ann", "ann-2", "submit");
    expect_name(&p, "ben", "ben-2", "submit");
    expect_name(&p, "cid", "cid", "submit");
}

static void nobody_joins_as_a_worker_of_before(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false}, brief = {.ephemeral = true};
    create(&p, "worker", 2, 3600, "");
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join_as(&worker, &p, true, "old");
    expect_joined(&worker, "old", "worker");
    (void)peer_join(&worker);
    revoke_key("old");
    peer_close(&worker);
    expect_name(&p, "old", "old-2", "worker");
    create(&brief, "worker", 1, 3600, "");
    expect_name(&brief, "old", "old", "worker"); /* ephemeral ones may be called so again */
}

/* No canary would lead the next machine out of what an operator thought of the one before. */
static void a_quarantine_stays_with_its_machine(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = true};
    create(&p, "worker", 3, 3600, "ill");
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join(&worker, &p, true);
    expect_joined(&worker, "ill-1", "worker");
    (void)peer_join(&worker);
    peer_steer(&admin, FARM__WORKER_VERB__WORKER_QUARANTINE, "ill-1", "it makes nonsense");
    revoke_key("ill-1");
    peer_close(&worker);
    expect_name(&p, "", "ill-2", "worker");
    revoke_key("ill-2");
    expect_name(&p, "", "ill-2", "worker"); /* of which nothing is known */
}

/* Without a token in force nobody unknown gets a word in; with one, a used one is told so. */
static void a_token_is_used_as_often_as_it_says(void **state)
{
    (void)state;
    struct plea once = {.ephemeral = false}, other = once;
    create(&once, "worker", 1, 3600, "once");
    struct peer worker = peer_open(&farm, false, &once.keys);
    say_join(&worker, &once, true);
    expect_joined(&worker, "once-1", "worker");
    peer_close(&worker);
    keys_generate(&once.keys);
    worker = peer_open(&farm, false, &once.keys);
    say_join(&worker, &once, true);
    peer_expect_silence(&worker, 500);
    peer_close(&worker);
    create(&other, "worker", 1, 3600, "other");
    worker = peer_open(&farm, false, &once.keys);
    say_join(&worker, &once, true);
    expect_bye(&worker, "used up (1 of 1)");
    peer_close(&worker);
    revoke_token(&once);
    worker = peer_open(&farm, false, &once.keys);
    say_join(&worker, &once, true);
    expect_bye(&worker, "not known here");
    peer_close(&worker);
    revoke_token(&other);
}

static void an_expired_token_is_told_so(void **state)
{
    (void)state;
    struct plea brief = {.ephemeral = false}, open = brief;
    create(&open, "worker", 1, 3600, "open");
    create(&brief, "worker", 1000, 1, "brief");
    for (bool joined = true; joined;) { /* until the second is over */
        struct peer worker = peer_open(&farm, false, &brief.keys);
        say_join(&worker, &brief, true);
        struct message *m = peer_receive(&worker, WIRE_PATIENCE_MS);
        assert_non_null(m);
        joined = m->envelope->body_case == FARM__ENVELOPE__BODY_JOINED;
        if (!joined) assert_non_null(strstr(m->envelope->bye->message, "has expired"));
        message_free(m);
        peer_close(&worker);
        keys_generate(&brief.keys);
    }
    revoke_token(&open);
    revoke_token(&brief);
}

static void a_joiner_has_one_word(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    Farm__StatusWanted wanted = FARM__STATUS_WANTED__INIT;
    create(&p, "submit", 9, 3600, "word");
    struct peer peer = peer_open(&farm, true, &p.keys);
    PEER_SAY(&peer, STATUS_WANTED, status_wanted, &wanted);
    expect_bye(&peer, "an admin runs `zoe client allow KEY --name NAME`");
    say_join(&peer, &p, true); /* too late for this connection */
    peer_expect_silence(&peer, 300);
    peer_close(&peer);
    keys_generate(&p.keys);
    peer = peer_open(&farm, true, &p.keys);
    say_join(&peer, &p, false); /* a wrong proof */
    expect_bye(&peer, "not known here");
    say_join(&peer, &p, true);
    peer_expect_silence(&peer, 300);
    peer_close(&peer);
    peer = peer_open(&farm, true, &p.keys); /* a new handshake, a new word */
    say_join(&peer, &p, true);
    expect_joined(&peer, "word-1", "submit");
    peer_close(&peer);
    struct peer worker = peer_open(&farm, false, &p.keys);
    say_join(&worker, &p, true); /* a client's token and key on the workers' socket */
    peer_expect_silence(&worker, 300);
    peer_close(&worker);
    revoke_token(&p);
}

/* The limit is on the clock of the coordinator: JOIN_WITHIN_NS after the handshake. */
static void who_says_nothing_is_forgotten(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    create(&p, "worker", 1, 3600, "late");
    struct peer peer = peer_open(&farm, false, &p.keys);
    peer_expect_silence(&peer, (int)(JOIN_WITHIN_NS / NS_PER_MS) + 1000);
    say_join(&peer, &p, true);
    peer_expect_silence(&peer, 500);
    peer_close(&peer);
    revoke_token(&p);
}

/* ---- places to wait in ---- */

struct throng { /* many connections of one socket, each with a key of its own */
    void *context, *socket, *monitor; /* its own: a test that fails leaves it behind */
};

static void throng_open(struct throng *t)
{
    struct error err = {0};
    struct key_pair keys;
    t->context = zsock_context_create(&err);
    assert_non_null(t->context);
    t->socket = zmq_socket(t->context, ZMQ_ROUTER); /* a DEALER dials an address once */
    assert_non_null(t->socket);
    t->monitor = zmonitor_open(t->context, t->socket, &err);
    assert_non_null(t->monitor);
    assert_true(zsetup_int(t->socket, ZMQ_LINGER, 0, &err));
    for (int i = 0; i < LIMIT_JOINERS_ADDRESS; i++) {
        keys_generate(&keys);
        assert_true(zsetup_dealer(t->socket, &keys, farm.server_key, &err)); /* of the next one */
        assert_true(zsetup_connect(t->socket, farm.workers_url, &err));
    }
}

/* All of them are in, and say nothing. */
static void throng_wait(struct throng *t)
{
    const int64_t until_ns = clock_now_ns() + JOIN_WITHIN_NS / 2;
    zmq_pollitem_t item = {t->monitor, 0, ZMQ_POLLIN, 0};
    enum zmonitor_event event;
    int in = 0;
    while (in < LIMIT_JOINERS_ADDRESS && clock_now_ns() < until_ns) {
        (void)zmq_poll(&item, 1, 100);
        while (zmonitor_next(t->monitor, &event))
            in += event == ZMONITOR_READY;
    }
    assert_int_equal(in, LIMIT_JOINERS_ADDRESS);
}

static void throng_close(struct throng *t)
{
    zmonitor_close(t->monitor, t->socket);
    assert_int_equal(zmq_close(t->socket), 0);
    zsock_context_destroy(t->context);
}

/* As worker and zoe do it, from an address of this machine's own. */
static bool join_from(const char *address, struct plea *p, int64_t timeout_ns, struct error *err)
{
    struct zjoin_answer answer;
    struct zjoin_options o = {
        .token = &p->token, .keys = &p->keys, .name = "host", .timeout_ns = timeout_ns};
    keys_generate(&p->keys);
    p->token.endpoint_count = 1;
    (void)snprintf(p->token.endpoints[0], sizeof(p->token.endpoints[0]), "tcp://%.24s:0;%.64s",
                   address, farm.workers_url + strlen("tcp://"));
    error_clear(err);
    return zjoin(&o, &answer, err);
}

/* The coordinator has places for eight such addresses, and who finds none is not told that the
 * token is no good: it dials again until there is one. */
static void one_address_takes_an_eighth_of_the_places(void **state)
{
    (void)state;
    struct plea p = {.ephemeral = false};
    struct throng throng;
    struct error err = {0};
    create(&p, "worker", 2, 3600, "throng");
    throng_open(&throng);
    throng_wait(&throng);
    assert_false(join_from("127.0.0.1", &p, JOIN_WITHIN_NS / 4, &err));
    if (err.code != ERROR_UNREACHABLE) fail_msg("%s", err.message);
    if (!join_from("127.0.0.2", &p, 5 * NS_PER_S, &err)) fail_msg("%s", err.message);
    throng_close(&throng);
    if (!join_from("127.0.0.1", &p, 4 * JOIN_WITHIN_NS, &err)) fail_msg("%s", err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_joins_and_says_hello_on_the_same_connection),
        cmocka_unit_test(who_speaks_a_newer_protocol_too_joins),
        cmocka_unit_test(who_speaks_no_protocol_of_ours_costs_no_use),
        cmocka_unit_test(a_client_joins_under_a_name_of_its_own),
        cmocka_unit_test(nobody_joins_as_an_owner_of_before),
        cmocka_unit_test(nobody_joins_as_a_worker_of_before),
        cmocka_unit_test(a_quarantine_stays_with_its_machine),
        cmocka_unit_test(a_token_is_used_as_often_as_it_says),
        cmocka_unit_test(an_expired_token_is_told_so),
        cmocka_unit_test(a_joiner_has_one_word),
        cmocka_unit_test(who_says_nothing_is_forgotten),
        cmocka_unit_test(one_address_takes_an_eighth_of_the_places),
    };
    return cmocka_run_group_tests(tests, admin_farm_open, admin_farm_close);
}

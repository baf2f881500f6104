/* What peers make a coordinator write into its log: whatever they repeat, a few lines. */
#include "wire/admin_farm.h"

#include "base/log_pace.h"
#include "proto/token.h"

#define HELLOS 1000
#define JOINS 60

static void expect_few_lines(const char *words, int64_t since_ns, unsigned of)
{
    const int64_t more = (clock_now_ns() - since_ns) / LOG_PACE_EVERY_NS + 1;
    const unsigned lines = farm_log_lines(&farm, words);
    assert_in_range(lines, 1, LOG_PACE_BURST + more);
    assert_true(lines < of);
}

static void a_hello_that_is_refused_again_and_again(void **state)
{
    (void)state;
    char role[] = "worker", name[] = "w1";
    struct key_pair keys;
    keys_generate(&keys);
    peer_allow(&admin, &keys, role, name);
    struct peer worker = peer_open(&farm, false, &keys), thief = peer_open(&farm, false, &keys);
    const uint64_t session = peer_join(&worker);
    const int64_t began_ns = clock_now_ns();
    for (int i = 0; i < HELLOS; i++) {
        peer_hello(&thief, "elsewhere");
        peer_skip(&thief, FARM__ENVELOPE__BODY_BYE);
        if (i % 50 == 0) peer_beat(&worker, session); /* it is here all the time */
    }
    expect_few_lines("refused worker=w1: the key", began_ns, HELLOS);
    peer_beat(&worker, session);
    peer_close(&thief);
    peer_close(&worker);
}

static void invite(void)
{
    char role[] = "worker";
    Farm__TokenCreate body = FARM__TOKEN_CREATE__INIT;
    body.role = role;
    body.uses = 1;
    body.ttl_s = 3600;
    PEER_SAY(&admin, TOKEN_CREATE, token_create, &body);
    peer_skip(&admin, FARM__ENVELOPE__BODY_TOKEN_CREATED);
}

/* By who has no token. */
static void say_join(struct peer *p)
{
    uint8_t id[TOKEN_ID_BYTES] = {1}, proof[TOKEN_PROOF_BYTES] = {1};
    Farm__Join join = FARM__JOIN__INIT;
    join.token = (ProtobufCBinaryData){sizeof(id), id};
    join.proof = (ProtobufCBinaryData){sizeof(proof), proof};
    join.version_min = join.version_max = PROTOCOL_MAX;
    PEER_SAY(p, JOIN, join, &join);
}

static void a_stranger_that_is_refused_again_and_again(void **state)
{
    (void)state;
    const int64_t began_ns = clock_now_ns();
    invite();
    for (int i = 0; i < JOINS; i++) {
        struct key_pair keys;
        keys_generate(&keys);
        struct peer stranger = peer_open(&farm, false, &keys);
        say_join(&stranger);
        peer_skip(&stranger, FARM__ENVELOPE__BODY_BYE);
        peer_close(&stranger);
    }
    expect_few_lines("refused to let join:", began_ns, JOINS); /* those of hellos hide none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hello_that_is_refused_again_and_again),
        cmocka_unit_test(a_stranger_that_is_refused_again_and_again),
    };
    return cmocka_run_group_tests(tests, admin_farm_open, admin_farm_close);
}

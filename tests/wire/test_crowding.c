/* One owner that takes all it can get of the ways in, and another that only wants to come in. */
#include "wire/admin_farm.h"

static struct key_pair hog_keys, other_keys;
static struct peer hog, other;

static int open_peers(void **state)
{
    char role[] = "submit", greedy[] = "hog", modest[] = "other";
    (void)admin_farm_open(state);
    keys_generate(&hog_keys);
    keys_generate(&other_keys);
    peer_allow(&admin, &hog_keys, role, greedy);
    peer_allow(&admin, &other_keys, role, modest);
    hog = peer_client(&farm, &hog_keys);
    other = peer_client(&farm, &other_keys);
    return 0;
}

static int close_peers(void **state)
{
    peer_close(&hog);
    peer_close(&other);
    return admin_farm_close(state);
}

static struct digest digest_for(const char *name)
{
    return digest_of(name, strlen(name));
}

static void submit_open(struct peer *p, const char *name, uint64_t size)
{
    char format[] = "text", key[32];
    struct digest sha256 = digest_for(name);
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    (void)snprintf(key, sizeof(key), "%s", name);
    open.key = key;
    open.sha256 = codec_digest(&sha256);
    open.size_bytes = size;
    open.format = format;
    PEER_SAY(p, SUBMIT_OPEN, submit_open, &open);
}

static void input_open(struct peer *p, const char *name, uint64_t size)
{
    struct digest sha256 = digest_for(name);
    Farm__InputOpen open = FARM__INPUT_OPEN__INIT;
    open.sha256 = codec_digest(&sha256);
    open.size_bytes = size;
    PEER_SAY(p, INPUT_OPEN, input_open, &open);
}

static uint64_t expect_credit(struct peer *p)
{
    struct message *m = peer_expect(p, FARM__ENVELOPE__BODY_CREDIT);
    const uint64_t size = m->envelope->credit->size_bytes;
    message_free(m);
    return size;
}

/* With `open` (a submission or an input) the hog takes its places, one of `size` after another. */
static void take_all_places(void (*open)(struct peer *p, const char *name, uint64_t size),
                            const char *what, int places)
{
    char name[32];
    for (int i = 0; i < places; i++) {
        (void)snprintf(name, sizeof(name), "%s %d", what, i);
        open(&hog, name, 1);
        assert_int_equal(expect_credit(&hog), 1);
    }
    open(&hog, "one more", 1);
    peer_expect_problem(&hog, "refused");
    open(&other, what, 1);
    assert_int_equal(expect_credit(&other), 1);
}

static void all_its_places_are_not_all_places(void **state)
{
    (void)state;
    take_all_places(submit_open, "submission", SUBMIT_TRANSFERS_OWNER_MAX);
    take_all_places(input_open, "input", INPUT_TRANSFERS_OWNER_MAX);
}

/* Neither with submissions nor with inputs. */
static void all_its_credit_is_not_all_credit(void **state)
{
    (void)state;
    struct key_pair keys;
    char role[] = "submit", name[] = "greedy";
    keys_generate(&keys);
    peer_allow(&admin, &keys, role, name);
    struct peer greedy = peer_client(&farm, &keys);
    submit_open(&greedy, "first", INTAKE_POOL_BYTES);
    submit_open(&greedy, "second", INTAKE_POOL_BYTES);
    uint64_t lent = expect_credit(&greedy);
    lent += expect_credit(&greedy);
    assert_true(lent <= INTAKE_POOL_BYTES / 2);
    submit_open(&greedy, "third", INTAKE_POOL_BYTES);
    input_open(&greedy, "fourth", INTAKE_POOL_BYTES);
    input_open(&greedy, "fifth", INTAKE_POOL_BYTES);
    peer_expect_silence(&greedy, 1500); /* a tick gives no more either */
    submit_open(&other, "large", LIMIT_CHUNK_BYTES);
    assert_int_equal(expect_credit(&other), LIMIT_CHUNK_BYTES);
    peer_close(&greedy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_its_places_are_not_all_places),
        cmocka_unit_test(all_its_credit_is_not_all_credit),
    };
    return cmocka_run_group_tests(tests, open_peers, close_peers);
}

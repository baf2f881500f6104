/* A real coordinator, whose questions are answered at once when nothing waits for a commit
 * (coordinator/turn.h): what is said to be done is in its database all the same. */
#include "wire/farm_peer.h"

#include <sqlite3.h>

#define ROUNDS 100

struct cast {
    struct farm_process farm;
    struct peer admin;
    sqlite3 *db; /* as somebody else sees it: only what is committed */
    sqlite3_stmt *has_key;
};

static struct cast cast;

static int open_cast(void **state)
{
    (void)state;
    farm_open(&cast.farm);
    cast.admin = peer_client(&cast.farm, &cast.farm.admin);
    char *path = path_join(cast.farm.folder, "state/farm.db");
    assert_int_equal(sqlite3_open_v2(path, &cast.db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(cast.db, "SELECT count(*) FROM key WHERE key = ?1", -1,
                                        &cast.has_key, NULL),
                     SQLITE_OK);
    free(path);
    return 0;
}

static int close_cast(void **state)
{
    (void)state;
    sqlite3_finalize(cast.has_key);
    assert_int_equal(sqlite3_close(cast.db), SQLITE_OK);
    peer_close(&cast.admin);
    farm_close(&cast.farm);
    return 0;
}

static int committed_keys(const struct key_pair *keys)
{
    sqlite3_bind_blob(cast.has_key, 1, keys->public_key, KEY_BYTES, SQLITE_STATIC);
    assert_int_equal(sqlite3_step(cast.has_key), SQLITE_ROW);
    const int count = sqlite3_column_int(cast.has_key, 0);
    sqlite3_reset(cast.has_key);
    return count;
}

static void ask(void)
{
    Farm__StatusWanted status = FARM__STATUS_WANTED__INIT;
    PEER_SAY(&cast.admin, STATUS_WANTED, status_wanted, &status);
}

static void change(const struct key_pair *keys, int number)
{
    char name[32], role[] = "submit";
    uint8_t key[KEY_BYTES];
    Farm__KeyAllow allow = FARM__KEY_ALLOW__INIT;
    memcpy(key, keys->public_key, KEY_BYTES);
    (void)snprintf(name, sizeof(name), "in-order-%d", number);
    allow.key = (ProtobufCBinaryData){KEY_BYTES, key};
    allow.role = role;
    allow.name = name;
    PEER_SAY(&cast.admin, KEY_ALLOW, key_allow, &allow);
}

static void expect_next(Farm__Envelope__BodyCase body)
{
    struct message *m = peer_receive(&cast.admin, WIRE_PATIENCE_MS);
    assert_non_null(m);
    assert_int_equal(m->envelope->body_case, body);
    message_free(m);
}

/* The question behind a change must not take that one's answer with it, before the commit. */
static void a_question_does_not_hurry_a_change(void **state)
{
    (void)state;
    for (int i = 0; i < ROUNDS; i++) {
        struct key_pair keys;
        keys_generate(&keys);
        ask();
        change(&keys, i);
        ask();
        expect_next(FARM__ENVELOPE__BODY_STATUS);
        expect_next(FARM__ENVELOPE__BODY_KEY_ALLOWED);
        assert_int_equal(committed_keys(&keys), 1);
        expect_next(FARM__ENVELOPE__BODY_STATUS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_does_not_hurry_a_change),
    };
    return cmocka_run_group_tests(tests, open_cast, close_cast);
}

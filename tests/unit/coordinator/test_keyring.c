#include "ground.h"

#include "coordinator/keyring.h"
#include "coordinator/store.h"

static void key_of(uint8_t fill, uint8_t key[KEY_BYTES])
{
    memset(key, fill, KEY_BYTES);
}

static void rows_come_back_and_are_found(void **state)
{
    struct error err = {0};
    char *path = ground_path(state, "farm.db");
    struct store *store = store_open(path, NULL, &err);
    if (store == NULL) fail_msg("%s", err.message);
    struct store_key row = {.role = "worker", .name = "gpu-1"};
    key_of(1, row.key);
    store_key_allow(store, &row);
    row.role = "admin";
    row.name = "root";
    key_of(2, row.key);
    store_key_allow(store, &row);
    assert_true(store_commit(store, &err));

    struct keyring k;
    char hex[KEY_TEXT_SIZE];
    keyring_init(&k);
    assert_true(keyring_load(&k, store, &err));
    const struct keyring_entry *e = keyring_find(&k, row.key);
    assert_non_null(e);
    assert_int_equal(e->role, MESSAGE_FROM_ADMIN);
    assert_string_equal(e->role_name, "admin");
    keys_text(row.key, hex);
    assert_ptr_equal(keyring_find_text(&k, hex), e);
    hex[63] = 'x';
    assert_null(keyring_find_text(&k, hex));
    assert_null(keyring_find_text(&k, ""));
    key_of(3, row.key);
    assert_null(keyring_find(&k, row.key));
    assert_true(keyring_worker_key(&k, "gpu-1", hex));
    assert_string_equal(hex, "0101010101010101010101010101010101010101010101010101010101010101");
    assert_false(keyring_worker_key(&k, "root", hex));
    keyring_finish(&k);
    store_close(store);
    free(path);
}

static void a_name_is_one_worker_and_a_key_one_row(void **state)
{
    (void)state;
    struct keyring k;
    uint8_t one[KEY_BYTES];
    uint8_t two[KEY_BYTES];
    bool existed = true;
    struct error err = {0};
    key_of(1, one);
    key_of(2, two);
    keyring_init(&k);
    assert_true(keyring_check(&k, one, "worker", "w", &existed, &err));
    assert_false(existed);
    keyring_set(&k, one, "worker", "w");
    assert_true(keyring_check(&k, one, "worker", "w", &existed, &err));
    assert_true(existed);
    assert_false(keyring_check(&k, one, "worker", "v", &existed, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_false(keyring_check(&k, one, "admin", "w", &existed, &err));
    assert_false(keyring_check(&k, two, "worker", "w", &existed, &err));
    assert_int_equal(err.code, ERROR_STATE);
    assert_true(keyring_check(&k, two, "submit", "w", &existed, &err)); /* a person may share it */
    keyring_set(&k, two, "submit", "w");
    uint8_t three[KEY_BYTES];
    key_of(3, three);
    assert_true(keyring_check(&k, three, "submit", "w", &existed, &err));
    assert_false(existed);
    assert_false(keyring_check(&k, three, "boss", "w", &existed, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    keyring_finish(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(rows_come_back_and_are_found),
        ground_test(a_name_is_one_worker_and_a_key_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

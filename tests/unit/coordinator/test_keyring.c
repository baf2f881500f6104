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

static bool is_taken(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "zoe") == 0 || strcmp(name, "gpu-3") == 0;
}

static void names_are_made_unique(void **state)
{
    (void)state;
    struct keyring k;
    char name[LIMIT_NAME_BYTES + 1], longest[LIMIT_NAME_BYTES + 1];
    uint8_t key[KEY_BYTES];
    keyring_init(&k);
    memset(longest, 'n', LIMIT_NAME_BYTES);
    longest[LIMIT_NAME_BYTES] = '\0';
    const char *const taken[] = {"ann", "gpu-1", "gpu-2", longest};
    for (uint8_t i = 0; i < 4; i++) {
        key_of(i, key);
        keyring_set(&k, key, i == 0 ? "submit" : "worker", taken[i]);
    }
    keyring_free_name(&k, "ben", false, is_taken, NULL, name);
    assert_string_equal(name, "ben");
    keyring_free_name(&k, "ann", false, is_taken, NULL, name); /* whatever the role is */
    assert_string_equal(name, "ann-2");
    keyring_free_name(&k, "gpu", true, is_taken, NULL, name);
    assert_string_equal(name, "gpu-4");
    keyring_free_name(&k, "zoe", false, is_taken, NULL, name);
    assert_string_equal(name, "zoe-2");
    keyring_free_name(&k, longest, false, is_taken, NULL, name);
    assert_int_equal(strncmp(name, "nnnn", 4), 0);
    assert_string_not_equal(name, longest);
    keyring_finish(&k);
}

static void keys_are_chosen_by_name_or_digits(void **state)
{
    (void)state;
    struct keyring k;
    struct error err = {0};
    uint8_t key[KEY_BYTES];
    char hex[KEY_TEXT_SIZE];
    bool existed = false;
    keyring_init(&k);
    const char *const roles[] = {"admin", "submit", "submit"};
    const char *const names[] = {"root", "ann", "ann"};
    for (uint8_t i = 0; i < 3; i++) {
        key_of(i, key);
        keyring_set(&k, key, roles[i], names[i]);
    }
    const struct keyring_entry *root = keyring_choose(&k, "root", "", &err);
    assert_non_null(root);
    assert_true(keyring_is_last_admin(&k, root));
    assert_null(keyring_choose(&k, "ann", "", &err));
    assert_int_equal(err.code, ERROR_USAGE);
    keys_text(key, hex);
    assert_string_equal(keyring_choose(&k, hex, "", &err)->name, "ann");
    assert_null(keyring_choose(&k, "none", "", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(keyring_choose(&k, hex, "worker", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(keyring_choose(&k, "root", "worker", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_ptr_equal(keyring_choose(&k, "root", "admin", &err), root);
    const struct keyring_entry *page[2];
    assert_int_equal(keyring_page(&k, NULL, page, 2), 2);
    assert_int_equal(page[1]->key[0], 1);
    assert_int_equal(keyring_page(&k, page[1]->key, page, 2), 1);
    assert_int_equal(page[0]->key[0], 2);
    keyring_remove(&k, key);
    assert_null(keyring_find(&k, key));
    keyring_set(&k, key, "admin", "second");
    assert_false(keyring_is_last_admin(&k, root));
    key_of(9, key);
    assert_false(keyring_check(&k, key, "submit", "join:me", &existed, &err));
    keyring_finish(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(rows_come_back_and_are_found),
        ground_test(a_name_is_one_worker_and_a_key_one_row),
        cmocka_unit_test(names_are_made_unique),
        cmocka_unit_test(keys_are_chosen_by_name_or_digits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

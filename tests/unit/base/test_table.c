#include "scratch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"

static char values[64]; /* only their addresses matter */

static void an_empty_table_answers(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    size_t cursor = 0;
    assert_null(table_get_text(&t, "x"));
    assert_null(table_remove_text(&t, "x"));
    assert_null(table_next(&t, &cursor, NULL, NULL));
    table_finish(&t);
    struct table zeroed = {0};
    assert_null(table_set_u64(&zeroed, 1, values));
    assert_ptr_equal(table_get_u64(&zeroed, 1), values);
    table_finish(&zeroed);
    assert_int_equal(zeroed.count, 0);
}

static void set_get_replace_remove(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    assert_null(table_set_text(&t, "a", &values[0]));
    assert_ptr_equal(table_set_text(&t, "a", &values[1]), &values[0]);
    assert_int_equal(t.count, 1);
    assert_ptr_equal(table_get_text(&t, "a"), &values[1]);
    assert_null(table_get_text(&t, "A"));
    assert_null(table_get(&t, "a\0", 2)); /* length is part of the key */
    assert_ptr_equal(table_remove_text(&t, "a"), &values[1]);
    assert_null(table_remove_text(&t, "a"));
    assert_null(table_get_text(&t, "a"));
    assert_int_equal(t.count, 0);
    assert_null(table_set(&t, "", 0, &values[2])); /* the empty key is a key */
    assert_ptr_equal(table_get(&t, NULL, 0), &values[2]);
    table_finish(&t);
}

/* Around the length where keys move out of the slot. */
static void keys_of_every_length(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    char key[64];
    memset(key, 'k', sizeof(key));
    for (size_t size = 0; size < sizeof(key); size++) {
        assert_null(table_set(&t, key, size, &values[size]));
    }
    for (size_t size = 0; size < sizeof(key); size++) {
        assert_ptr_equal(table_get(&t, key, size), &values[size]);
    }
    size_t cursor = 0;
    const void *found = NULL;
    size_t found_size = 0;
    for (size_t size = 0; size < sizeof(key); size++) { /* in order of insertion */
        assert_ptr_equal(table_next(&t, &cursor, &found, &found_size), &values[size]);
        assert_int_equal(found_size, size);
        assert_memory_equal(found, key, size);
        assert_int_equal(((const char *)found)[size], '\0');
    }
    assert_null(table_next(&t, &cursor, NULL, NULL));
    for (size_t size = 0; size < sizeof(key); size += 2) {
        assert_ptr_equal(table_remove(&t, key, size), &values[size]);
    }
    assert_int_equal(t.count, 32);
    table_finish(&t);
}

#define MANY 50000

static void many_keys(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    int *numbers = xcalloc(MANY, sizeof(*numbers));
    for (int i = 0; i < MANY; i++) {
        numbers[i] = i;
        assert_null(table_set_u64(&t, (uint64_t)i * 0x100000001, &numbers[i]));
    }
    assert_int_equal(t.count, MANY);
    for (int i = 0; i < MANY; i += 3) {
        assert_ptr_equal(table_remove_u64(&t, (uint64_t)i * 0x100000001), &numbers[i]);
    }
    for (int i = 0; i < MANY; i++) {
        const int *found = table_get_u64(&t, (uint64_t)i * 0x100000001);
        if (i % 3 == 0) {
            assert_null(found);
        } else {
            assert_ptr_equal(found, &numbers[i]);
        }
    }
    table_finish(&t);
    free(numbers);
}

static void removing_while_walking(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    int numbers[1000];
    for (int i = 0; i < 1000; i++) {
        numbers[i] = i;
        char *key = xasprintf("batch-number-%d-with-a-long-name", i);
        assert_null(table_set_text(&t, key, &numbers[i]));
        free(key);
    }
    int seen = 0;
    const int *number = NULL;
    const void *key = NULL;
    size_t key_size = 0;
    for (size_t i = 0; (number = table_next(&t, &i, &key, &key_size)) != NULL;) {
        assert_int_equal(*number, seen++);
        if (*number % 2 == 0) assert_ptr_equal(table_remove(&t, key, key_size), number);
    }
    assert_int_equal(seen, 1000);
    assert_int_equal(t.count, 500);
    for (size_t i = 0; (number = table_next(&t, &i, &key, &key_size)) != NULL;) {
        assert_int_equal(*number % 2, 1);
        assert_non_null(table_remove(&t, key, key_size));
    }
    assert_int_equal(t.count, 0);
    size_t cursor = 0;
    assert_null(table_next(&t, &cursor, NULL, NULL));
    table_finish(&t);
}

static void the_same_key_for_ever_needs_no_more_room(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    for (int i = 0; i < 10000; i++) {
        assert_null(table_set_text(&t, "lease", values));
        assert_ptr_equal(table_remove_text(&t, "lease"), values);
    }
    assert_true(t.capacity <= 16);
    table_finish(&t);
}

#define KEYS 200

/* Against an array that cannot be wrong. */
static void random_operations(void **state)
{
    (void)state;
    struct table t;
    table_init(&t);
    void *model[KEYS] = {NULL};
    size_t live = 0;
    uint32_t seed = 12345;
    for (int i = 0; i < 100000; i++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t k = (seed >> 8) % KEYS;
        void *value = &values[(seed >> 20) % 64];
        if ((seed >> 28) < 8) {
            assert_ptr_equal(table_set_u64(&t, k, value), model[k]);
            live += model[k] == NULL ? 1 : 0;
            model[k] = value;
        } else {
            assert_ptr_equal(table_remove_u64(&t, k), model[k]);
            live -= model[k] != NULL ? 1 : 0;
            model[k] = NULL;
        }
        assert_int_equal(t.count, live);
        if (i % 1000 == 0) {
            size_t walked = 0;
            for (size_t c = 0; table_next(&t, &c, NULL, NULL) != NULL;) {
                walked++;
            }
            assert_int_equal(walked, live);
        }
    }
    for (uint64_t k = 0; k < KEYS; k++) {
        assert_ptr_equal(table_get_u64(&t, k), model[k]);
    }
    table_finish(&t);
}

static void set_nothing(void)
{
    struct table t;
    table_init(&t);
    (void)table_set_text(&t, "a", NULL);
}

static void null_is_no_value(void **state)
{
    (void)state;
    assert_int_equal(scratch_child_signal(set_nothing), SIGABRT);
}

static void values_of_its_own_go_with_it(void **state)
{
    (void)state;
    struct table t = {0};
    for (uint64_t i = 0; i < 100; i++)
        (void)table_set_u64(&t, i, xstrdup("a value"));
    free(table_remove_u64(&t, 7));
    table_finish_all(&t);
    assert_int_equal(t.count, 0);
    assert_null(table_get_u64(&t, 8));
    table_finish_all(&t); /* of none */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_its_own_go_with_it),
        cmocka_unit_test(an_empty_table_answers),
        cmocka_unit_test(set_get_replace_remove),
        cmocka_unit_test(keys_of_every_length),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(removing_while_walking),
        cmocka_unit_test(the_same_key_for_ever_needs_no_more_room),
        cmocka_unit_test(random_operations),
        cmocka_unit_test(null_is_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

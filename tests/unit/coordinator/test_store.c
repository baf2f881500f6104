/* The store as a file: nothing that was not committed is there after a reopening, and damage is
 * found and never forgotten. */
#include "drawer.h"

#include <sys/stat.h>

#include "coordinator/store_check.h"

static void only_what_is_committed_stays(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    assert_false(store_is_dirty(s));
    assert_true(store_commit(s, &err));
    store_meta_set(s, "a", "1");
    assert_true(store_is_dirty(s));
    drawer_commit(s);
    assert_false(store_is_dirty(s));
    store_meta_set(s, "b", "1");
    store_close(s); /* rolls back */
    s = drawer_open(state);
    char *a = store_meta(s, "a");
    assert_string_equal(a, "1");
    free(a);
    assert_null(store_meta(s, "b"));
    assert_true(store_was_clean(s));
    assert_int_equal(store_health(s), STORE_OK);
    store_close(s);
    struct stat st;
    char *path = ground_path(state, "farm.db");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(path);
}

static void every_table_is_checked_in_turn(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    bool done = false;
    int tables = 0;
    for (; !done && tables < 100; tables++)
        assert_ok(store_check_some(s, &done, &err), err);
    assert_true(tables > 10 && tables < 30);
    assert_ok(store_check_some(s, &done, &err), err); /* and from the start again */
    assert_false(done);
    store_close(s);
}

/* Damage that was seen once is looked for again at the next start, however it was stopped. */
static void a_damaged_file_is_never_marked_clean(void **state)
{
    struct error err;
    struct event_record event = {.kind = "a.kind", .batch = "", .worker = "", .at_ms = 1};
    char message[200];
    struct store *s = drawer_open(state);
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    event.message = message;
    for (int i = 0; i < 2000; i++)
        store_event_add(s, &event);
    drawer_commit(s);
    store_close(s);

    char *path = ground_path(state, "farm.db");
    struct buf file = ground_read(path);
    memset(file.data + file.size / 2 / 4096 * 4096, 0xff, 4096);
    ground_write(path, file.data, file.size);
    buf_finish(&file);

    bool done = false;
    s = drawer_open(state); /* the last stop was clean: nobody looks */
    while (store_check_some(s, &done, &err) && !done)
        continue;
    assert_false(done);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_int_equal(store_health(s), STORE_CORRUPT);
    store_close(s);
    assert_null(store_open(path, NULL, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(only_what_is_committed_stays),
        ground_test(every_table_is_checked_in_turn),
        ground_test(a_damaged_file_is_never_marked_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Copies of the store: made while rows are written; and what two of them tell of a finished task:
 * how small it stays. */
#include "drawer.h"

#include <sys/stat.h>

#include "coordinator/store_check.h"

static void back_up(struct store *s, const char *path)
{
    struct error err;
    bool done = false;
    struct store_backup *b = store_backup_begin(s, path, &err);
    if (b == NULL) fail_msg("%s", err.message);
    while (!done)
        assert_ok(store_backup_step(b, 0, &done, &err), err);
    store_backup_end(b);
}

/* What is written between two steps is in the copy, and nothing of a copy broken off stays. */
static void a_copy_is_made_while_rows_are_written(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    char *path = ground_path(state, "copy.db");
    bool done = false;
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    for (uint32_t clip = 0; clip < DRAWER_MANY; clip++)
        drawer_finish_task(s, clip);
    drawer_commit(s);
    struct store_backup *b = store_backup_begin(s, path, &err);
    assert_non_null(b);
    assert_ok(store_backup_step(b, 0, &done, &err), err);
    assert_false(done);
    store_meta_set(s, "written", "late");
    assert_false(store_backup_step(b, 0, &done, &err)); /* in the middle of a turn */
    assert_int_equal(err.code, ERROR_STATE);
    drawer_commit(s);
    while (!done) {
        drawer_finish_task(s, DRAWER_MANY);
        drawer_commit(s);
        assert_ok(store_backup_step(b, 0, &done, &err), err);
    }
    store_backup_end(b);
    assert_ok(store_check_copy(path, &err), err);
    struct store *copy = store_open(path, NULL, &err);
    assert_non_null(copy);
    char *value = store_meta(copy, "written");
    assert_string_equal(value, "late");
    free(value);
    store_close(copy);
    assert_int_equal(unlink(path), 0);
    b = store_backup_begin(s, path, &err);
    assert_non_null(b);
    store_backup_end(b);
    assert_false(path_exists(path));
    free(path);
    store_close(s);
}

/* ---- copies that are only read ---- */

#define VERSIONS 18 /* in the header: two bytes, 2 = the database keeps a log */

static void assert_versions(const char *path, uint8_t version)
{
    struct buf bytes = ground_read(path);
    assert_int_equal(bytes.data[VERSIONS], version);
    assert_int_equal(bytes.data[VERSIONS + 1], version);
    buf_finish(&bytes);
}

static void set_versions(const char *path, uint8_t version)
{
    struct buf bytes = ground_read(path);
    bytes.data[VERSIONS] = bytes.data[VERSIONS + 1] = version;
    ground_write(path, bytes.data, bytes.size);
    buf_finish(&bytes);
}

/* The copy, and what was made beside it. */
static void assert_alone(void **state, const char *name)
{
    struct error err;
    char **names = NULL;
    size_t count = 0, with_name = 0;
    assert_ok(path_list(*state, &names, &count, &err), err);
    for (size_t i = 0; i < count; i++)
        if (strncmp(names[i], name, strlen(name)) == 0) with_name++;
    path_list_free(names, count);
    assert_int_equal(with_name, 1);
}

static void assert_read_as_it_is(void **state, const char *name)
{
    struct error err;
    char *path = ground_path(state, name), *second = ground_path(state, "second.db");
    struct buf before = ground_read(path);
    assert_ok(store_check_copy(path, &err), err);
    assert_ok(store_copy(path, second, &err), err);
    assert_alone(state, name);
    struct buf after = ground_read(path);
    assert_int_equal(before.size, after.size);
    assert_memory_equal(before.data, after.data, before.size);
    assert_int_equal(unlink(second), 0);
    buf_finish(&before);
    buf_finish(&after);
    free(path);
    free(second);
}

/* Else it could not be read on a medium that is read only. */
static void a_copy_needs_no_log(void **state)
{
    static const char name[] = "50% of it, or more?#1.db";
    struct store *s = drawer_open(state);
    char *path = ground_path(state, name);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    drawer_commit(s);
    back_up(s, path);
    assert_alone(state, name);
    assert_versions(path, 1);
    assert_read_as_it_is(state, name);
    set_versions(path, 2); /* a copy that an older build made */
    assert_read_as_it_is(state, name);
    store_close(s);
    free(path);
}

/* Bytes in the file for each of DRAWER_MANY tasks. */
static int growth(void **state, void (*finish)(struct store *s, uint32_t clip))
{
    struct error err;
    struct store *s = drawer_open(state);
    drawer_add_batch(s, DRAWER_BATCH, 1, "k", true, BATCH_DONE);
    drawer_commit(s);
    char *before = ground_path(state, "before.db"), *after = ground_path(state, "after.db");
    back_up(s, before);
    for (uint32_t clip = 0; clip < DRAWER_MANY; clip++)
        finish(s, clip);
    drawer_commit(s);
    back_up(s, after);
    assert_null(store_backup_begin(s, after, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    struct stat a, b;
    assert_int_equal(stat(before, &a), 0);
    assert_int_equal(stat(after, &b), 0);
    free(before);
    free(after);
    store_close(s);
    return (int)((b.st_size - a.st_size) / DRAWER_MANY);
}

static void a_finished_task_is_small(void **state)
{
    const int each = growth(state, drawer_finish_task);
    print_message("a finished task takes %d bytes\n", each);
    assert_true(each <= 150);
}

static void report_whole_task(struct store *s, uint32_t clip)
{
    drawer_finish_attempt(s, clip);
    drawer_report_task(s, clip, 1024);
}

/* The goal is 150 bytes beside the report itself. */
static void a_report_is_hardly_more_than_its_bytes(void **state)
{
    const int each = growth(state, report_whole_task);
    print_message("a task with a report of 1024 bytes takes %d\n", each);
    assert_true(each <= 1024 + 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(a_copy_is_made_while_rows_are_written),
        ground_test(a_copy_needs_no_log),
        ground_test(a_finished_task_is_small),
        ground_test(a_report_is_hardly_more_than_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

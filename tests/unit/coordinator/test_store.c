/* The store as a file: nothing that was not committed is there after a reopening, and damage is
 * found and never forgotten. */
#include "drawer.h"

#include <signal.h>
#include <sys/resource.h>
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

static void add_events(struct store *s, int count)
{
    char message[200];
    struct event_record event = {
        .kind = "a.kind", .batch = "", .worker = "", .message = message, .at_ms = 1};
    memset(message, 'x', sizeof message - 1);
    message[sizeof message - 1] = '\0';
    for (int i = 0; i < count; i++)
        store_event_add(s, &event);
    drawer_commit(s);
}

/* Another connection's look at the file, which keeps the log from being emptied. */
static sqlite3 *begin_reading(void **state)
{
    sqlite3 *db = NULL;
    char *path = ground_path(state, "farm.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL),
                     SQLITE_OK);
    free(path);
    return db;
}

static void a_file_that_will_be_moved_holds_all(void **state)
{
    struct error err;
    struct store *s = drawer_open(state);
    add_events(s, 10);
    sqlite3 *reader = begin_reading(state);
    assert_false(store_close_whole(s, &err));
    assert_int_equal(err.code, ERROR_STATE);
    sqlite3_close(reader);
    s = drawer_open(state);
    add_events(s, 10);
    char *log = ground_path(state, "farm.db-wal");
    assert_ok(store_close_whole(s, &err), err);
    assert_false(path_exists(log));
    free(log);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM event"), 20);
    s = drawer_open(state);
    assert_true(store_was_clean(s));
    store_close(s);
}

/* The log is short, for it begins anew, and fits; the file does not grow any more. */
static void a_log_that_does_not_fit_is_told(void **state)
{
    struct error err;
    struct rlimit before, small = {.rlim_cur = 1024 * 1024};
    struct store *s = drawer_open(state);
    add_events(s, 10000);
    store_close(s);
    s = drawer_open(state);
    add_events(s, 1000);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    const bool whole = store_close_whole(s, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_false(whole);
    assert_int_equal(err.code, ERROR_IO);
    assert_int_equal(drawer_count_rows(state, "SELECT count(*) FROM event"), 11000);
    s = drawer_open(state);
    assert_true(store_was_clean(s)); /* what was written last went into the log */
    store_close(s);
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

/* A store on a file whose last stop was clean, so that nobody looks: a page of its events is not
 * one. */
static struct store *open_damaged(void **state)
{
    struct store *s = drawer_open(state);
    add_events(s, 2000);
    store_close(s);

    char *path = ground_path(state, "farm.db");
    struct buf file = ground_read(path);
    memset(file.data + file.size / 2 / 4096 * 4096, 0xff, 4096);
    ground_write(path, file.data, file.size);
    buf_finish(&file);
    free(path);
    return drawer_open(state);
}

static void assert_not_marked_clean(void **state)
{
    struct error err;
    char *path = ground_path(state, "farm.db");
    assert_null(store_open(path, NULL, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    free(path);
}

/* Damage that was seen once is looked for again at the next start, however it was stopped. */
static void a_damaged_file_is_never_marked_clean(void **state)
{
    struct error err;
    bool done = false;
    struct store *s = open_damaged(state);
    while (store_check_some(s, &done, &err) && !done)
        continue;
    assert_false(done);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_int_equal(store_health(s), STORE_CORRUPT);
    store_close(s);
    assert_not_marked_clean(state);
}

static void skip_event(void *context, uint64_t sequence, const struct event_record *event)
{
    (void)context;
    (void)sequence;
    (void)event;
}

static void damage_that_is_read_fails_the_turn(void **state)
{
    struct error err;
    struct store *s = open_damaged(state);
    store_meta_set(s, "before", "1");
    assert_false(store_each_event(s, 0, NULL, 5000, skip_event, NULL, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    store_meta_set(s, "after", "1");
    assert_false(store_commit(s, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_null(store_meta(s, "before"));
    assert_null(store_meta(s, "after"));
    store_close(s);
    assert_not_marked_clean(state);
}

static void damage_that_is_read_stays(void **state)
{
    struct error err;
    struct store *s = open_damaged(state);
    assert_false(store_each_event(s, 0, NULL, 5000, skip_event, NULL, NULL));
    assert_int_equal(store_health(s), STORE_CORRUPT);
    assert_false(store_commit(s, &err));
    store_meta_set(s, "a", "1");
    drawer_commit(s);
    assert_int_equal(store_health(s), STORE_CORRUPT);
    assert_false(store_retry(s, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
    store_close(s);
    assert_not_marked_clean(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(only_what_is_committed_stays),
        ground_test(a_file_that_will_be_moved_holds_all),
        ground_test(a_log_that_does_not_fit_is_told),
        ground_test(every_table_is_checked_in_turn),
        ground_test(a_damaged_file_is_never_marked_clean),
        ground_test(damage_that_is_read_fails_the_turn),
        ground_test(damage_that_is_read_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

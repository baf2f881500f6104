/* A new database takes the place of the old one: whole, and never with another one's log. */
#include "drawer.h"

#include <sys/stat.h>

#include "coordinator/upkeep.h"
#include "coordinator/upkeep_verbs.h"

static struct store *open_named(void **state, const char *name)
{
    struct error err;
    char *path = ground_path(state, name);
    struct store *s = store_open(path, NULL, &err);
    if (s == NULL) fail_msg("%s", err.message);
    free(path);
    return s;
}

/* Marked with its own name. */
static void make(void **state, const char *name)
{
    struct error err;
    struct store *s = open_named(state, name);
    store_meta_set(s, "made_as", name);
    assert_ok(store_commit(s, &err), err);
    assert_ok(store_close_whole(s, &err), err);
}

static void assert_made_as(void **state, const char *name, const char *made_as)
{
    struct store *s = open_named(state, name);
    char *value = store_meta(s, "made_as");
    if (value == NULL) fail_msg("%s is of nobody", name);
    assert_string_equal(value, made_as);
    free(value);
    store_close(s);
}

static bool stands(void **state, const char *name)
{
    char *path = ground_path(state, name);
    const bool there = path_exists(path);
    free(path);
    return there;
}

static void the_new_one_takes_the_place(void **state)
{
    struct error err;
    char old[UPKEEP_OLD_SIZE];
    const struct upkeep u = {.state = *state};
    make(state, UPKEEP_DATABASE);
    make(state, UPKEEP_NEW);
    assert_ok(upkeep_swap_in(&u, old, &err), err);
    assert_false(stands(state, UPKEEP_NEW));
    assert_made_as(state, UPKEEP_DATABASE, UPKEEP_NEW);
    assert_made_as(state, old, UPKEEP_DATABASE);
}

/* What is left of an older backup that was raised to this schema, whole or broken off. */
static void copies_of_an_older_schema_go(void **state)
{
    static const char *const copies[] = {UPKEEP_NEW ".v1", UPKEEP_NEW ".v1.part", UPKEEP_NEW ".v6",
                                         UPKEEP_NEW ".v6.part"};
    const size_t count = sizeof copies / sizeof copies[0];
    struct error err;
    char old[UPKEEP_OLD_SIZE];
    const struct upkeep u = {.state = *state};
    char *own = ground_path(state, UPKEEP_DATABASE ".v1");
    ground_write_text(own, "for an older build");
    for (int swap = 0; swap < 2; swap++) {
        make(state, UPKEEP_NEW);
        for (size_t i = 0; i < count; i++) {
            char *path = ground_path(state, copies[i]);
            ground_write_text(path, "older");
            free(path);
        }
        if (swap)
            assert_ok(upkeep_swap_in(&u, old, &err), err);
        else
            upkeep_swap_drop(&u);
        for (size_t i = 0; i < count; i++)
            assert_false(stands(state, copies[i]));
    }
    assert_true(stands(state, UPKEEP_DATABASE ".v1"));
    free(own);
}

/* The last connection's close could not empty it. */
static void a_new_one_with_a_log_is_refused(void **state)
{
    struct error err;
    char old[UPKEEP_OLD_SIZE];
    const struct upkeep u = {.state = *state};
    char *log = ground_path(state, UPKEEP_NEW "-wal");
    make(state, UPKEEP_DATABASE);
    make(state, UPKEEP_NEW);
    ground_write_text(log, "commits");
    assert_false(upkeep_swap_in(&u, old, &err));
    assert_non_null(strstr(err.message, UPKEEP_NEW "-wal"));
    assert_made_as(state, UPKEEP_DATABASE, UPKEEP_DATABASE);
    free(log);
}

/* As a kill leaves it: the mark stands in the log only. */
static void make_with_log(void **state)
{
    char *path = ground_path(state, UPKEEP_DATABASE), *log = ground_path(state, "farm.db-wal");
    struct store *s = open_named(state, UPKEEP_DATABASE);
    store_meta_set(s, "made_as", UPKEEP_DATABASE);
    drawer_commit(s);
    struct buf file = ground_read(path), commits = ground_read(log);
    store_close(s);
    assert_true(commits.size > 0);
    ground_write(path, file.data, file.size);
    ground_write(log, commits.data, commits.size);
    buf_finish(&file);
    buf_finish(&commits);
    free(path);
    free(log);
}

static void rename_in(void **state, const char *from, const char *to)
{
    char *a = ground_path(state, from), *b = ground_path(state, to);
    assert_int_equal(rename(a, b), 0);
    free(a);
    free(b);
}

/* What a stop leaves that came after `moved` of the old files had been moved. */
static void break_off(void **state, int moved, char old[UPKEEP_OLD_SIZE])
{
    struct stat info;
    char *ready = ground_path(state, UPKEEP_READY);
    make_with_log(state);
    make(state, UPKEEP_NEW);
    rename_in(state, UPKEEP_NEW, UPKEEP_READY);
    assert_int_equal(stat(ready, &info), 0);
    (void)snprintf(old, UPKEEP_OLD_SIZE, UPKEEP_DATABASE ".old-%lld", (long long)info.st_mtime);
    char *old_log = xasprintf("%s-wal", old);
    if (moved > 0) rename_in(state, UPKEEP_DATABASE "-wal", old_log);
    if (moved > 1) rename_in(state, UPKEEP_DATABASE, old);
    free(old_log);
    free(ready);
}

static void finish_broken_off(void **state, int moved)
{
    struct error err;
    struct upkeep u = {.state = *state};
    char old[UPKEEP_OLD_SIZE];
    break_off(state, moved, old);
    assert_false(upkeep_may_start(u.state, &err));
    assert_ok(upkeep_swap_finish(&u, &err), err);
    assert_int_equal(u.findings.count, 1);
    findings_finish(&u.findings);
    assert_false(stands(state, UPKEEP_READY) || stands(state, UPKEEP_DATABASE "-wal"));
    assert_made_as(state, UPKEEP_DATABASE, UPKEEP_NEW);
    assert_made_as(state, old, UPKEEP_DATABASE);
}

static void one_broken_off_before_the_old_moved_is_finished(void **state)
{
    finish_broken_off(state, 0);
}

static void one_broken_off_behind_the_log_is_finished(void **state)
{
    finish_broken_off(state, 1);
}

static void one_broken_off_behind_the_old_is_finished(void **state)
{
    finish_broken_off(state, 2);
}

/* Two swaps within a second. */
static void no_old_one_is_replaced(void **state)
{
    struct error err;
    char old[2][UPKEEP_OLD_SIZE];
    const struct upkeep u = {.state = *state};
    make(state, UPKEEP_DATABASE);
    for (int i = 0; i < 2; i++) {
        make(state, UPKEEP_NEW);
        assert_ok(upkeep_swap_in(&u, old[i], &err), err);
    }
    assert_string_not_equal(old[0], old[1]);
    assert_made_as(state, old[0], UPKEEP_DATABASE);
    assert_made_as(state, old[1], UPKEEP_NEW);
}

static void nothing_broken_off_is_nothing_to_do(void **state)
{
    struct error err;
    struct upkeep u = {.state = *state};
    make(state, UPKEEP_DATABASE);
    make(state, UPKEEP_NEW); /* one that was still being made */
    assert_ok(upkeep_swap_finish(&u, &err), err);
    assert_int_equal(u.findings.count, 0);
    assert_made_as(state, UPKEEP_DATABASE, UPKEEP_DATABASE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(the_new_one_takes_the_place),
        ground_test(copies_of_an_older_schema_go),
        ground_test(a_new_one_with_a_log_is_refused),
        ground_test(one_broken_off_before_the_old_moved_is_finished),
        ground_test(one_broken_off_behind_the_log_is_finished),
        ground_test(one_broken_off_behind_the_old_is_finished),
        ground_test(no_old_one_is_replaced),
        ground_test(nothing_broken_off_is_nothing_to_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

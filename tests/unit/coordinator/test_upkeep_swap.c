/* A new database takes the place of the old one: whole, and never with another one's log. */
#include "drawer.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ground_test(the_new_one_takes_the_place),
        ground_test(a_new_one_with_a_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

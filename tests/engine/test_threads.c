/* The pool runs each item once, whatever the number of threads, and sleeps and wakes without losing
 * work. */
#include "fixture.h"

#include <stdatomic.h>
#include <time.h>

#include "engine/threads.h"

struct count {
    atomic_int *seen;
    int threads;
    atomic_bool bad_thread;
};

static void count_item(void *arg, int64_t item, int thread)
{
    struct count *c = arg;
    atomic_fetch_add(&c->seen[item], 1);
    if (thread < 0 || thread >= c->threads) atomic_store(&c->bad_thread, true);
}

static void check_counts(struct threads *t, int64_t items)
{
    struct count c = {calloc((size_t)items + 1, sizeof(atomic_int)), threads_count(t), false};
    assert_non_null(c.seen);
    threads_run(t, items, count_item, &c);
    for (int64_t i = 0; i < items; i++)
        assert_int_equal(atomic_load(&c.seen[i]), 1);
    assert_false(atomic_load(&c.bad_thread));
    free(c.seen);
}

static void each_item_runs_once(void **state)
{
    (void)state;
    struct error err = {0};
    for (int count = 1; count <= 5; count++) {
        struct threads *t = threads_new(count, &err);
        expect_ok(t != NULL, &err);
        assert_int_equal(threads_count(t), count);
        for (int64_t items = 0; items < 300; items += 1 + items / 7)
            check_counts(t, items);
        threads_free(t);
    }
}

/* Long enough pauses between jobs for the helpers to fall asleep. */
static void sleepers_wake(void **state)
{
    (void)state;
    struct error err = {0};
    const struct timespec pause = {.tv_nsec = 3000000};
    struct threads *t = threads_new(3, &err);
    expect_ok(t != NULL, &err);
    for (int i = 0; i < 30; i++) {
        nanosleep(&pause, NULL);
        check_counts(t, 50);
    }
    threads_free(t);
}

static void slow_item(void *arg, int64_t item, int thread)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    (void)thread;
    if (item == 0) nanosleep(&pause, NULL);
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* The caller goes to sleep too when another thread's item takes long. */
static void the_caller_waits_for_the_last(void **state)
{
    (void)state;
    struct error err = {0};
    struct threads *t = threads_new(2, &err);
    expect_ok(t != NULL, &err);
    for (int i = 0; i < 20; i++) {
        atomic_int done = 0;
        threads_run(t, 3, slow_item, &done);
        assert_int_equal(atomic_load(&done), 3);
    }
    threads_free(t);
}

static void impossible_counts_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(threads_new(0, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_null(threads_new(THREADS_MAX + 1, &err));
    threads_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_item_runs_once),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(the_caller_waits_for_the_last),
        cmocka_unit_test(impossible_counts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

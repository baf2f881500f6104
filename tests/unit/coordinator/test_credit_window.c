/* What a file on its way wants to be lent, and when it is lent no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/credit_window.h"
#include "proto/limits.h"

#define LARGE (10 * CREDIT_WINDOW_BYTES)

static struct credit_window opened(uint64_t size_bytes)
{
    struct credit_window w = {.size_bytes = size_bytes};
    credit_window_open(&w, 0, 0);
    return w;
}

static void a_window_is_wanted_at_a_time(void **state)
{
    (void)state;
    struct credit_window w = opened(LARGE);
    assert_int_equal(credit_window_wants(&w), CREDIT_WINDOW_BYTES);
    credit_window_lend(&w, CREDIT_WINDOW_BYTES, 0);
    assert_int_equal(credit_window_wants(&w), 0);
    (void)credit_window_take(&w, CREDIT_WINDOW_BYTES / 2 - 1, 1);
    assert_int_equal(credit_window_wants(&w), 0);
    (void)credit_window_take(&w, CREDIT_WINDOW_BYTES / 2, 1);
    assert_int_equal(credit_window_wants(&w), CREDIT_WINDOW_BYTES / 2);
    w = opened(10);
    assert_int_equal(credit_window_wants(&w), 10);
    credit_window_lend(&w, 10, 0);
    assert_int_equal(credit_window_wants(&w), 0);
}

static void chunks_fit_what_was_granted(void **state)
{
    (void)state;
    struct credit_window w = opened(LARGE);
    credit_window_lend(&w, 100, 0);
    assert_true(credit_window_fits(&w, 0, 100));
    assert_false(credit_window_fits(&w, 0, 101));
    assert_false(credit_window_fits(&w, 1, 99)); /* a gap */
    assert_int_equal(credit_window_take(&w, 60, 1), 60);
    assert_true(credit_window_fits(&w, 0, 60));
    assert_true(credit_window_fits(&w, 60, 40));
    assert_false(credit_window_fits(&w, 60, 41));
    assert_false(credit_window_fits(&w, UINT64_MAX, 1));
    assert_int_equal(credit_window_withdraw(&w), 40);
    assert_int_equal(credit_window_withdraw(&w), 0);
}

static void who_does_not_move_is_lent_nothing(void **state)
{
    (void)state;
    struct credit_window w = opened(LARGE);
    credit_window_lend(&w, 100, 5);
    assert_false(credit_window_tires(&w, 5 + CREDIT_IDLE_NS));
    credit_window_lend(&w, 100, 5 + CREDIT_IDLE_NS); /* a little more is no move */
    assert_true(credit_window_tires(&w, 6 + CREDIT_IDLE_NS));
    assert_int_equal(credit_window_withdraw(&w), 200);
    assert_int_equal(credit_window_wants(&w), 0);
    assert_false(credit_window_tires(&w, 7 + CREDIT_IDLE_NS));
    assert_int_equal(credit_window_silent_ns(&w, 9), 4);
    credit_window_open(&w, 0, 10);
    assert_int_equal(credit_window_wants(&w), CREDIT_WINDOW_BYTES);
    assert_int_equal(credit_window_silent_ns(&w, 10), 0);
}

/* Who waited long for its turn has all the time from then on. */
static void time_runs_from_the_loan(void **state)
{
    (void)state;
    struct credit_window w = opened(LARGE);
    assert_false(credit_window_tires(&w, 2 * CREDIT_IDLE_NS)); /* nothing was lent */
    credit_window_lend(&w, 100, 2 * CREDIT_IDLE_NS);
    assert_false(credit_window_tires(&w, 3 * CREDIT_IDLE_NS));
}

static void only_what_goes_on_wakes_it(void **state)
{
    (void)state;
    struct credit_window w = opened(LARGE);
    assert_false(credit_window_wakes(&w, 0, 1)); /* it is awake */
    credit_window_lend(&w, 100, 0);
    (void)credit_window_take(&w, 50, 0);
    assert_true(credit_window_tires(&w, 1 + CREDIT_IDLE_NS));
    (void)credit_window_withdraw(&w);
    assert_false(credit_window_wakes(&w, 0, 50));
    assert_false(credit_window_wakes(&w, 51, 50));
    assert_false(credit_window_wakes(&w, 50, LARGE - 49)); /* behind the end of the file */
    assert_true(credit_window_wakes(&w, 0, 51));
    assert_int_equal(credit_window_wants(&w), CREDIT_WINDOW_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_window_is_wanted_at_a_time),
        cmocka_unit_test(chunks_fit_what_was_granted),
        cmocka_unit_test(who_does_not_move_is_lent_nothing),
        cmocka_unit_test(time_runs_from_the_loan),
        cmocka_unit_test(only_what_goes_on_wakes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

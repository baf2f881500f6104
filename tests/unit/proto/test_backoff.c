#include "unit/base/scratch.h"

#include "proto/backoff.h"

static void waits_double_up_to_the_cap(void **state)
{
    (void)state;
    struct backoff b;
    backoff_init(&b, 100, 1000);
    static const int64_t steps[] = {100, 200, 400, 800, 1000, 1000, 1000};
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct backoff low = b;
        struct backoff high = b;
        assert_int_equal(backoff_next(&low, 0), steps[i] / 2);
        assert_int_equal(backoff_next(&high, (uint64_t)(steps[i] / 2)), steps[i]);
        (void)backoff_next(&b, 17);
    }
    backoff_reset(&b);
    assert_int_equal(backoff_next(&b, 0), 50);
}

static void jitter_stays_within_half(void **state)
{
    (void)state;
    struct backoff b;
    for (uint64_t random = 0; random < 5000; random += 7) {
        backoff_init(&b, 1000, 1000);
        int64_t wait = backoff_next(&b, random * UINT64_C(0x9e3779b97f4a7c15));
        assert_true(wait >= 500 && wait <= 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_double_up_to_the_cap),
        cmocka_unit_test(jitter_stays_within_half),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

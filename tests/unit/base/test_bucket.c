#include "unit/base/scratch.h"

#include "base/bucket.h"
#include "base/clock.h"

static void so_much_at_once_and_so_much_a_second(void **state)
{
    (void)state;
    struct bucket b;
    bucket_init(&b, 3, 2, 0);
    for (int i = 0; i < 3; i++)
        assert_true(bucket_take(&b, 5));
    assert_false(bucket_take(&b, 5));
    assert_int_equal(bucket_wait_ns(&b, 5), NS_PER_S / 2);
    assert_false(bucket_take(&b, 5 + NS_PER_S / 2 - 1));
    assert_true(bucket_take(&b, 5 + NS_PER_S / 2));
    assert_false(bucket_take(&b, 5 + NS_PER_S / 2));
}

static void it_never_holds_more_than_its_burst(void **state)
{
    (void)state;
    struct bucket b;
    bucket_init(&b, 2, 1000, 0);
    assert_true(bucket_is_full(&b, INT64_MAX / 2));
    assert_true(bucket_take(&b, INT64_MAX / 2));
    assert_true(bucket_take(&b, INT64_MAX / 2));
    assert_false(bucket_take(&b, INT64_MAX / 2));
    assert_false(bucket_take(&b, 0)); /* time that runs backwards brings nothing */
    assert_false(bucket_is_full(&b, INT64_MAX / 2));
    assert_true(bucket_is_full(&b, INT64_MAX / 2 + 2 * NS_PER_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_much_at_once_and_so_much_a_second),
        cmocka_unit_test(it_never_holds_more_than_its_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

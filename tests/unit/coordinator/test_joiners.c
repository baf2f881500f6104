/* Places for keys that have come in to say Join. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "coordinator/joiners.h"

struct key {
    uint8_t bytes[KEY_BYTES];
};

static struct key number(uint32_t n)
{
    struct key key = {{0}};
    memcpy(key.bytes, &n, sizeof(n));
    return key;
}

static bool add(struct joiners *j, uint32_t n, const char *address, int64_t now_ns)
{
    const struct key key = number(n);
    return joiners_add(j, key.bytes, address, now_ns);
}

static bool take(struct joiners *j, uint32_t n, int64_t now_ns)
{
    const struct key key = number(n);
    return joiners_take(j, key.bytes, now_ns);
}

/* So many, from `first` on; all get in. */
static void fill(struct joiners *j, uint32_t first, uint32_t count, const char *address,
                 int64_t now_ns)
{
    for (uint32_t i = 0; i < count; i++)
        assert_true(add(j, first + i, address, now_ns));
}

static void a_key_has_one_word_within_its_time(void **state)
{
    (void)state;
    struct joiners j;
    joiners_init(&j);
    assert_false(take(&j, 1, 0));
    fill(&j, 1, 2, "a", 0);
    assert_true(take(&j, 1, JOIN_WITHIN_NS - 1));
    assert_false(take(&j, 1, JOIN_WITHIN_NS - 1));
    assert_false(take(&j, 2, JOIN_WITHIN_NS));
    assert_int_equal(j.places.count, 0);
    assert_int_equal(j.addresses.count, 0);
    joiners_finish(&j);
}

static void one_address_has_an_eighth(void **state)
{
    (void)state;
    struct joiners j;
    joiners_init(&j);
    fill(&j, 0, LIMIT_JOINERS_ADDRESS, "a", 0);
    assert_false(add(&j, LIMIT_JOINERS, "a", 1));
    assert_true(add(&j, LIMIT_JOINERS, "b", 1));
    assert_true(add(&j, 3, "a", 2)); /* in its own place */
    assert_true(take(&j, 4, 3));
    assert_true(add(&j, LIMIT_JOINERS + 1, "a", 3));
    assert_false(add(&j, LIMIT_JOINERS + 2, "a", JOIN_WITHIN_NS - 1));
    assert_true(add(&j, LIMIT_JOINERS + 2, "a", JOIN_WITHIN_NS)); /* the first are late */
    assert_int_equal(j.places.count, 4);
    assert_true(take(&j, 3, JOIN_WITHIN_NS + 1)); /* it came again since */
    joiners_finish(&j);
}

static void there_are_so_many_places(void **state)
{
    (void)state;
    struct joiners j;
    char address[16];
    joiners_init(&j);
    for (uint32_t i = 0; i < LIMIT_JOINERS; i++) {
        (void)snprintf(address, sizeof(address), "10.0.0.%u", (unsigned)(i % 64));
        assert_true(add(&j, i, address, 0));
    }
    assert_false(add(&j, LIMIT_JOINERS, "b", 1));
    assert_true(add(&j, 9, "b", 1)); /* with its key it moves */
    assert_false(add(&j, LIMIT_JOINERS, "b", JOIN_WITHIN_NS - 1));
    assert_true(add(&j, LIMIT_JOINERS, "b", JOIN_WITHIN_NS));
    assert_int_equal(j.places.count, 2);
    assert_int_equal(j.addresses.count, 1);
    joiners_finish(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_has_one_word_within_its_time),
        cmocka_unit_test(one_address_has_an_eighth),
        cmocka_unit_test(there_are_so_many_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

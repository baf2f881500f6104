#include "unit/base/scratch.h"

#include <stdio.h>

#include "base/clock.h"
#include "proto/limits.h"
#include "proto/throttle.h"

static int knock(struct throttle *t, const char *address, int times, int64_t now_ns)
{
    int allowed = 0;
    for (int i = 0; i < times; i++)
        allowed += throttle_allows(t, address, now_ns);
    return allowed;
}

static void an_address_has_its_limit(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 0);
    assert_int_equal(knock(&t, "192.0.2.1", HANDSHAKES_BURST + 1, 0), HANDSHAKES_BURST);
    assert_int_equal(knock(&t, "192.0.2.2", 10, 0), 10); /* another is not held up by it */
    assert_int_equal(knock(&t, "192.0.2.1", HANDSHAKES_PER_S + 1, NS_PER_S), HANDSHAKES_PER_S);
    throttle_finish(&t);
}

/* As when a cluster starts: two connections each, and every one again after a lost one. */
static void a_thousand_workers_behind_one_address_pass(void **state)
{
    (void)state;
    struct throttle t;
    throttle_init(&t, 0);
    for (int second = 0; second < 10; second++)
        assert_int_equal(knock(&t, "127.0.0.1", 300, second * NS_PER_S), 300);
    throttle_finish(&t);
}

static void all_together_have_their_limit(void **state)
{
    (void)state;
    struct throttle t;
    char address[32];
    int allowed = 0;
    throttle_init(&t, 0);
    for (int i = 0; i < 4; i++) {
        (void)snprintf(address, sizeof(address), "192.0.2.%d", i);
        allowed += knock(&t, address, HANDSHAKES_BURST, 0);
    }
    assert_int_equal(allowed, HANDSHAKES_ALL_BURST);
    throttle_finish(&t);
}

static void the_table_of_addresses_is_bounded(void **state)
{
    (void)state;
    struct throttle t;
    char address[32];
    throttle_init(&t, 0);
    for (int i = 0; i < LIMIT_HANDSHAKE_ADDRESSES; i++) {
        (void)snprintf(address, sizeof(address), "10.0.%d.%d", i / 256, i % 256);
        assert_true(throttle_allows(&t, address, 0));
    }
    assert_int_equal(t.places.count, LIMIT_HANDSHAKE_ADDRESSES);
    assert_true(throttle_allows(&t, "10.9.9.9", 0)); /* shares a bucket */
    assert_int_equal(t.places.count, LIMIT_HANDSHAKE_ADDRESSES);
    assert_true(throttle_allows(&t, "10.9.9.9", 60 * NS_PER_S)); /* the others are quiet now */
    assert_int_equal(t.places.count, 1);
    throttle_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_its_limit),
        cmocka_unit_test(a_thousand_workers_behind_one_address_pass),
        cmocka_unit_test(all_together_have_their_limit),
        cmocka_unit_test(the_table_of_addresses_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

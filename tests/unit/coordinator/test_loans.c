/* Who may be lent how much of the pool. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/loans.h"
#include "proto/limits.h"

#define MIB UINT64_C(1048576)

static uint64_t borrow(struct loans *l, const char *owner, uint64_t wanted_bytes)
{
    const uint64_t lent = loans_offer(l, owner, wanted_bytes);
    loans_add(l, owner, lent);
    return lent;
}

static void an_owner_leaves_half_to_the_others(void **state)
{
    (void)state;
    struct loans l;
    loans_init(&l);
    assert_int_equal(borrow(&l, "ann", INTAKE_POOL_BYTES / 2), INTAKE_POOL_BYTES / 2);
    assert_int_equal(borrow(&l, "ann", 1), 0);
    assert_int_equal(borrow(&l, "bob", INTAKE_POOL_BYTES), INTAKE_POOL_BYTES / 4);
    loans_end(&l, "bob", INTAKE_POOL_BYTES / 4);
    loans_end(&l, "ann", 2);
    assert_int_equal(borrow(&l, "ann", 1), 1);
    loans_end(&l, "ann", INTAKE_POOL_BYTES / 2 - 1);
    assert_int_equal(l.total_bytes, 0);
    assert_int_equal(l.owners.count, 0); /* who has nothing is not remembered */
    assert_int_equal(loans_offer(&l, "ann", INTAKE_POOL_BYTES), INTAKE_POOL_BYTES / 2);
    loans_finish(&l);
}

/* However many came before, who comes with something small gets in. */
static void whoever_comes_finds_something(void **state)
{
    (void)state;
    struct loans l;
    char name[] = "a";
    loans_init(&l);
    for (; name[0] <= 'h'; name[0]++)
        (void)borrow(&l, name, 2 * MIB);
    assert_true(l.total_bytes > INTAKE_POOL_BYTES - 2 * LIMIT_CHUNK_BYTES);
    assert_int_equal(loans_offer(&l, "zoe", 65536), 65536);
    assert_int_equal(loans_offer(&l, "zoe", 2 * MIB), 0); /* no crumbs */
    assert_int_equal(loans_offer(&l, "a", 65536), 0);     /* it has some */
    loans_finish(&l);
}

static void crumbs_are_kept_back(void **state)
{
    (void)state;
    struct loans l;
    loans_init(&l);
    loans_add(&l, "ann", INTAKE_POOL_BYTES - 2 * LIMIT_CHUNK_BYTES);
    assert_int_equal(loans_offer(&l, "bob", MIB), LIMIT_CHUNK_BYTES);
    loans_add(&l, "ann", 1);
    assert_int_equal(loans_offer(&l, "bob", MIB), 0);
    assert_int_equal(loans_offer(&l, "bob", LIMIT_CHUNK_BYTES - 1), LIMIT_CHUNK_BYTES - 1);
    loans_finish(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_owner_leaves_half_to_the_others),
        cmocka_unit_test(whoever_comes_finds_something),
        cmocka_unit_test(crumbs_are_kept_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

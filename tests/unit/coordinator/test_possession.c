/* Who has shown which file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "coordinator/possession.h"
#include "proto/limits.h"

static struct digest number(uint32_t n)
{
    return digest_of(&n, sizeof(n));
}

static void each_owner_has_what_it_showed(void **state)
{
    (void)state;
    struct possessions p;
    const struct digest one = number(1), two = number(2);
    possessions_init(&p);
    possessions_add(&p, "ann", &one);
    assert_true(possessions_has(&p, "ann", &one));
    assert_false(possessions_has(&p, "ann", &two));
    assert_false(possessions_has(&p, "an", &one));
    assert_false(possessions_has(&p, "ben", &one));
    possessions_add(&p, "ann", &one);
    assert_int_equal(p.shown.count, 1);
    possessions_finish(&p);
}

static void the_first_is_forgotten_when_there_are_many(void **state)
{
    (void)state;
    struct possessions p;
    possessions_init(&p);
    for (uint32_t i = 0; i < LIMIT_POSSESSIONS; i++) {
        const struct digest d = number(i);
        possessions_add(&p, "ann", &d);
    }
    const struct digest first = number(0), second = number(1), last = number(LIMIT_POSSESSIONS);
    assert_true(possessions_has(&p, "ann", &first));
    possessions_add(&p, "ann", &last);
    assert_int_equal(p.shown.count, LIMIT_POSSESSIONS);
    assert_false(possessions_has(&p, "ann", &first));
    assert_true(possessions_has(&p, "ann", &second));
    assert_true(possessions_has(&p, "ann", &last));
    possessions_finish(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_owner_has_what_it_showed),
        cmocka_unit_test(the_first_is_forgotten_when_there_are_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

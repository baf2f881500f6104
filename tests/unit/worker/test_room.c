/* How much a worker asks to be free before it takes on one more task (W5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/room.h"

#define MIB (UINT64_C(1) << 20)

static void who_holds_nothing_has_room_for_two(void **state)
{
    const struct room empty = {0};
    (void)state;
    assert_int_equal(room_bytes(&empty, 0), 16 * MIB);
    assert_int_equal(room_bytes(&empty, MIB), 16 * MIB);
    assert_int_equal(room_bytes(&empty, 20 * MIB), 40 * MIB);
    assert_int_equal(room_bytes(&empty, UINT64_MAX), UINT64_MAX);
}

static void what_is_held_comes_first(void **state)
{
    struct room held = {0};
    (void)state;
    room_add(&held, 20 * MIB);
    assert_int_equal(room_bytes(&held, 20 * MIB), 40 * MIB); /* two all the same */
    assert_int_equal(room_bytes(&held, 0), 28 * MIB);
    room_add(&held, 5 * MIB);
    assert_int_equal(held.largest_bytes, 20 * MIB);
    assert_int_equal(room_bytes(&held, held.largest_bytes), 45 * MIB);
    room_add(&held, UINT64_MAX);
    assert_int_equal(room_bytes(&held, 0), UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_holds_nothing_has_room_for_two),
        cmocka_unit_test(what_is_held_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

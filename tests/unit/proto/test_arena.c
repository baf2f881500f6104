#include "unit/base/scratch.h"

#include <stdalign.h>
#include <string.h>

#include "proto/arena.h"

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1 << 20);
    unsigned char *places[200];
    for (size_t i = 0; i < 200; i++) {
        places[i] = arena_alloc(&a, i);
        assert_non_null(places[i]);
        assert_int_equal((uintptr_t)places[i] % alignof(max_align_t), 0);
        assert_int_equal(arena_size_of(places[i]), i);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(places[i][j], 0);
        memset(places[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(places[i][j], i);
    }
    arena_finish(&a);
    assert_int_equal(a.used_bytes, 0);
}

static void the_budget_counts_headers_too(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    size_t count = 0;
    while (arena_alloc(&a, 1) != NULL)
        count++;
    assert_true(count > 0 && count <= 4096 / 16);
    assert_true(a.used_bytes <= 4096);
    arena_finish(&a);
    arena_init(&a, 4096);
    assert_null(arena_alloc(&a, 4097));
    assert_null(arena_alloc(&a, SIZE_MAX));
    assert_null(arena_alloc(&a, SIZE_MAX - 8));
    assert_non_null(arena_alloc(&a, 4096 - 2 * sizeof(max_align_t)));
    arena_finish(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(the_budget_counts_headers_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

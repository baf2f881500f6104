#include "scratch.h"

#include <signal.h>
#include <string.h>

static void zero_sizes_give_memory(void **state)
{
    (void)state;
    void *a = xmalloc(0);
    void *b = xcalloc(0, 8);
    void *c = xrealloc(NULL, 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    free(a);
    free(b);
    free(c);
}

static void copies_and_prints(void **state)
{
    (void)state;
    char *whole = xstrdup("clip");
    char *part = xstrndup("clip", 2);
    char *more = xstrndup("clip", 99);
    char *printed = xasprintf("%s-%d", "clip", 7);
    assert_string_equal(whole, "clip");
    assert_string_equal(part, "cl");
    assert_string_equal(more, "clip");
    assert_string_equal(printed, "clip-7");
    free(whole);
    free(part);
    free(more);
    free(printed);
}

static void sizes_at_the_edge(void **state)
{
    (void)state;
    size_t out = 77;
    assert_true(size_mul(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
    assert_true(size_mul(SIZE_MAX, 0, &out));
    assert_int_equal(out, 0);
    assert_true(size_mul(SIZE_MAX / 2, 2, &out));
    assert_true(out == SIZE_MAX - 1);
    out = 77;
    assert_false(size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_int_equal(out, 77);
    assert_true(size_add(SIZE_MAX - 1, 1, &out));
    assert_true(out == SIZE_MAX);
    out = 77;
    assert_false(size_add(SIZE_MAX, 1, &out));
    assert_int_equal(out, 77);
}

static void checked_sizes_fail_softly(void **state)
{
    (void)state;
    struct error err = {0};
    assert_null(alloc_checked(SIZE_MAX / 4, 8, "latents", &err));
    assert_int_equal(err.code, ERROR_NO_MEMORY);
    assert_non_null(strstr(err.message, "latents"));
    assert_null(alloc_checked((size_t)PTRDIFF_MAX + 1, 1, "latents", &err));
    float *zeroed = alloc_checked(64, sizeof(*zeroed), "latents", &err);
    assert_non_null(zeroed);
    for (int i = 0; i < 64; i++) {
        assert_true(zeroed[i] == 0.0f);
    }
    free(zeroed);
    void *empty = alloc_checked(0, 8, "nothing", &err);
    assert_non_null(empty);
    free(empty);
}

static void overflow_here(void)
{
    free(xrealloc_array(NULL, SIZE_MAX / 2, 4));
}

static void assert_here(void)
{
    ZOE_ASSERT(1 + 1 == 3);
}

static void assert_holds(void)
{
    ZOE_ASSERT(1 + 1 == 2);
}

static void our_own_bugs_are_loud(void **state)
{
    (void)state;
    assert_int_equal(scratch_child_signal(overflow_here), SIGABRT);
    assert_int_equal(scratch_child_signal(assert_here), SIGABRT);
    assert_int_equal(scratch_child_signal(assert_holds), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_sizes_give_memory), cmocka_unit_test(copies_and_prints),
        cmocka_unit_test(sizes_at_the_edge),      cmocka_unit_test(checked_sizes_fail_softly),
        cmocka_unit_test(our_own_bugs_are_loud),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

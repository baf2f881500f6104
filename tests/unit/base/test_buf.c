#include "scratch.h"

#include <signal.h>
#include <string.h>

#include "base/buf.h"

static void empty_reads_as_empty_text(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    assert_string_equal(buf_text(&b), "");
    buf_clear(&b);
    char *text = buf_take_text(&b);
    assert_string_equal(text, "");
    free(text);
    buf_finish(&b);
}

static void appends_stay_terminated(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < 1000; i++) {
        buf_append_char(&b, (char)('a' + i % 26));
        assert_int_equal(b.size, i + 1);
        assert_int_equal(b.data[b.size], 0);
        assert_true(b.capacity > b.size);
    }
    assert_int_equal(b.data[999], 'a' + 999 % 26);
    buf_append(&b, "\0x", 2);
    assert_int_equal(b.size, 1002);
    assert_int_equal(b.data[1000], 0);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.size, 1002);
    buf_clear(&b);
    assert_string_equal(buf_text(&b), "");
    assert_true(b.capacity > 1000);
    buf_finish(&b);
    assert_null(b.data);
}

static void prints_around_the_capacity(void **state)
{
    (void)state;
    for (int size = 60; size < 70; size++) {
        struct buf b = BUF_INIT;
        buf_printf(&b, "%*d", size, 7);
        assert_int_equal(b.size, size);
        assert_int_equal(b.data[size - 1], '7');
        buf_printf(&b, "%s", "");
        assert_int_equal(b.size, size);
        buf_finish(&b);
    }
}

static void drops_from_the_front(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_drop_front(&b, 0);
    buf_append_text(&b, "frames");
    buf_drop_front(&b, 2);
    assert_string_equal(buf_text(&b), "ames");
    buf_drop_front(&b, 4);
    assert_int_equal(b.size, 0);
    assert_string_equal(buf_text(&b), "");
    buf_finish(&b);
}

static void drop_too_much(void)
{
    struct buf b = BUF_INIT;
    buf_append_text(&b, "ab");
    buf_drop_front(&b, 3);
}

static void reserve_too_much(void)
{
    struct buf b = BUF_INIT;
    buf_append_text(&b, "ab");
    buf_reserve(&b, SIZE_MAX - 2);
}

static void misuse_is_loud(void **state)
{
    (void)state;
    assert_int_equal(scratch_child_signal(drop_too_much), SIGABRT);
    assert_int_equal(scratch_child_signal(reserve_too_much), SIGABRT);
}

static void taken_text_is_the_callers(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_append_text(&b, "mine");
    char *text = buf_take_text(&b);
    buf_append_text(&b, "yours");
    assert_string_equal(text, "mine");
    assert_string_equal(buf_text(&b), "yours");
    free(text);
    buf_finish(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_reads_as_empty_text),
        cmocka_unit_test(appends_stay_terminated),
        cmocka_unit_test(prints_around_the_capacity),
        cmocka_unit_test(drops_from_the_front),
        cmocka_unit_test(misuse_is_loud),
        cmocka_unit_test(taken_text_is_the_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

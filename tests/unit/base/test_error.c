#include "scratch.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static void set_fills_code_and_message(void **state)
{
    (void)state;
    struct error err = {0};
    assert_false(error_set(&err, ERROR_USAGE, "%s is %d", "steps", 0));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_string_equal(err.message, "steps is 0");
    error_clear(&err);
    assert_int_equal(err.code, ERROR_NONE);
    assert_string_equal(err.message, "");
}

static void nobody_listening_is_fine(void **state)
{
    (void)state;
    assert_false(error_set(NULL, ERROR_IO, "x"));
    assert_false(error_set_errno(NULL, ENOENT, "x"));
    assert_false(error_wrap(NULL, "x"));
    error_clear(NULL);
}

static void errno_gives_text_and_class(void **state)
{
    (void)state;
    struct error err = {0};
    (void)error_set_errno(&err, ENOSPC, "cannot write %s", "a");
    assert_int_equal(err.code, ERROR_FULL);
    assert_string_equal(err.message, "cannot write a: No space left on device");
    (void)error_set_errno(&err, EDQUOT, "x");
    assert_int_equal(err.code, ERROR_FULL);
    (void)error_set_errno(&err, EACCES, "x");
    assert_int_equal(err.code, ERROR_IO);
    (void)error_set_errno(&err, 99999, "x");
    assert_non_null(strstr(err.message, "99999"));
}

static void wrap_puts_context_before(void **state)
{
    (void)state;
    struct error err = {0};
    (void)error_set(&err, ERROR_CORRUPT, "inner");
    assert_false(error_wrap(&err, "line %d", 3));
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_string_equal(err.message, "line 3: inner");
}

static void arguments_may_point_into_the_message(void **state)
{
    (void)state;
    struct error err = {0};
    (void)error_set(&err, ERROR_IO, "inner");
    (void)error_set(&err, ERROR_CORRUPT, "<%s>", err.message);
    assert_string_equal(err.message, "<inner>");
    (void)error_wrap(&err, "[%s]", err.message);
    assert_string_equal(err.message, "[<inner>]: <inner>");
    (void)error_set_errno(&err, ENOENT, "%.8s", err.message);
    assert_string_equal(err.message, "[<inner>: No such file or directory");
}

/* Fills the message to one byte less, exactly and one byte more than it holds. */
static void messages_end_at_the_limit(void **state)
{
    (void)state;
    char text[600];
    memset(text, 'a', sizeof(text));
    struct error err = {0};
    for (size_t size = 510; size <= 513; size++) {
        (void)error_set(&err, ERROR_IO, "%.*s", (int)size, text);
        assert_int_equal(strlen(err.message), size > 511 ? 511 : size);
    }
    (void)error_set(&err, ERROR_IO, "%.*s", 511, text);
    (void)error_wrap(&err, "context");
    assert_int_equal(strlen(err.message), 511);
    assert_memory_equal(err.message, "context: aaa", 12);
}

static void a_cut_never_splits_a_character(void **state)
{
    (void)state;
    static const char *const characters[] = {"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x8e\xac"};
    for (size_t c = 0; c < 4; c++) {
        for (size_t lead = 0; lead < 8; lead++) {
            char text[700];
            memset(text, 'x', lead);
            text[lead] = '\0';
            while (strlen(text) < 600) {
                strcat(text, characters[c]);
            }
            struct error err = {0};
            (void)error_set(&err, ERROR_IO, "%s", text);
            assert_true(text_is_utf8(err.message, strlen(err.message)));
            assert_true(strlen(err.message) >= 511 - 3);
            (void)error_wrap(&err, "%s", "wrapped once");
            assert_true(text_is_utf8(err.message, strlen(err.message)));
        }
    }
}

static void names_and_exit_codes(void **state)
{
    (void)state;
    for (int i = 0; i < ERROR_CODE_COUNT; i++) {
        const char *name = error_name((enum error_code)i);
        assert_non_null(name);
        assert_int_equal(error_code_from_name(name), i);
    }
    assert_string_equal(error_name(ERROR_NOT_FOUND), "not_found");
    assert_int_equal(error_code_from_name("no such name"), ERROR_INTERNAL);
    assert_int_equal(error_code_from_name(NULL), ERROR_INTERNAL);
    assert_string_equal(error_name((enum error_code)999), "internal");
    assert_int_equal(error_exit_code((enum error_code)999), 1);
    static const struct {
        enum error_code code;
        int exit_code;
    } expected[] = {{ERROR_NONE, 0},      {ERROR_FAILED, 1},       {ERROR_USAGE, 2},
                    {ERROR_NOT_FOUND, 3}, {ERROR_UNREACHABLE, 4},  {ERROR_AUTH, 5},
                    {ERROR_REFUSED, 6},   {ERROR_STATE, 7},        {ERROR_VERSION, 8},
                    {ERROR_TIMEOUT, 124}, {ERROR_INTERRUPTED, 130}};
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(error_exit_code(expected[i].code), expected[i].exit_code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_message),
        cmocka_unit_test(nobody_listening_is_fine),
        cmocka_unit_test(errno_gives_text_and_class),
        cmocka_unit_test(wrap_puts_context_before),
        cmocka_unit_test(arguments_may_point_into_the_message),
        cmocka_unit_test(messages_end_at_the_limit),
        cmocka_unit_test(a_cut_never_splits_a_character),
        cmocka_unit_test(names_and_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

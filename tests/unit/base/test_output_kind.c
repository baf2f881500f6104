/* Kinds of published files, found by name and by extension. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/output_kind.h"

static void kinds_are_found_by_name_and_path(void **state)
{
    (void)state;
    for (int i = 0; i < OUTPUT_KIND_COUNT; i++) {
        enum output_kind found = OUTPUT_KIND_COUNT;
        assert_true(output_kind_find(output_kind_name((enum output_kind)i), &found));
        assert_int_equal(found, i);
    }
    enum output_kind kind = OUTPUT_VIDEO;
    assert_true(output_kind_of_path("a.mp4/0001_fox_s2.png", &kind));
    assert_int_equal(kind, OUTPUT_IMAGE);
    assert_true(output_kind_of_path("x.mp4", &kind));
    assert_int_equal(kind, OUTPUT_VIDEO);
    assert_string_equal(output_kind_extension(OUTPUT_IMAGE), "png");
}

static void others_are_unknown(void **state)
{
    (void)state;
    enum output_kind kind = OUTPUT_IMAGE;
    static const char *const paths[] = {"", "mp4", "a.mp4/b", "b.MP4", "b.mp4 ", "b.gif"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
        assert_false(output_kind_of_path(paths[i], &kind));
    assert_false(output_kind_find("", &kind));
    assert_false(output_kind_find("audio", &kind));
    assert_int_equal(kind, OUTPUT_IMAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_found_by_name_and_path),
        cmocka_unit_test(others_are_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

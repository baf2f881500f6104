/* Names that suit what a model makes, and names that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cli/render_target.h"

static void the_extension_has_to_suit(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        bool video, image;
    } rows[] = {
        {"a.mp4", true, false},  {"b/a.png", false, true},  {"a.PNG", false, true},
        {"a", true, true},       {"x.mp4/a", true, true},   {"a.gif", false, false},
        {".hidden", true, true}, {"/dev/null", true, true}, {"a.mp4.png", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct error err = {0};
        assert_int_equal(render_target_suits(rows[i].target, "m", OUTPUT_VIDEO, &err),
                         rows[i].video);
        assert_int_equal(render_target_suits(rows[i].target, "m", OUTPUT_IMAGE, &err),
                         rows[i].image);
    }
}

static void the_error_says_which(void **state)
{
    (void)state;
    struct error err = {0};
    assert_false(render_target_suits("cat.mp4", "sd15", OUTPUT_IMAGE, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_string_equal(err.message,
                        "-o cat.mp4: sd15 makes an image, so the name has to end in .png");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_extension_has_to_suit),
        cmocka_unit_test(the_error_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

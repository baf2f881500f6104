/* What a clip is called here, whatever the coordinator calls it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/only_clip.h"

static void it_is_a_plain_name(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
    } rows[] = {
        {"0_red-fox_s7.mp4", "red-fox_s7.mp4"},
        {"000/00012_red-fox_s7.mp4", "red-fox_s7.mp4"},
        {"clip.mp4", "clip.mp4"},
        {"0_/home/u/.profile", NULL}, /* never a folder of somebody's choice */
        {"x_/a/b", "b"},
        {"x_/a/0_b", "b"},
        {"0_.profile", "0_.profile"},
        {"0_", "0_"},
        {".hidden_a", "a"},
        {".profile", NULL},
        {"a/..", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *name = only_clip_name(rows[i].file);
        if (rows[i].name == NULL)
            assert_null(name);
        else
            assert_string_equal(name, rows[i].name);
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_a_plain_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Findings: counted, printed without what would steer a terminal, and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/finding.h"

static void findings_are_counted_and_printed(void **state)
{
    char text[512] = "";
    struct findings f = {0};
    (void)state;
    assert_true(findings_add(&f, FINDING_OK, "disk", "/a", NULL, "%d GB free", 5));
    assert_false(findings_add(&f, FINDING_FAIL, "clips", "x\033[2J\xff", "put it back", "gone"));
    assert_int_equal(f.counts[FINDING_OK], 1);
    assert_int_equal(f.counts[FINDING_FAIL], 1);
    FILE *out = fmemopen(text, sizeof text, "w");
    findings_print(&f, out, false, false);
    (void)fclose(out);
    assert_string_equal(text, "fail  clips     x [2J?: gone\n                -> put it back\n");
    json_t *list = findings_json(&f);
    assert_int_equal(json_array_size(list), 2);
    assert_null(json_object_get(json_array_get(list, 0), "fix"));
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 1), "fix")),
                        "put it back");
    json_decref(list);
    findings_finish(&f);
    assert_int_equal(f.count, 0);
}

static void of_many_only_some_are_told(void **state)
{
    struct findings_many many = {2, 0};
    (void)state;
    assert_true(findings_many_next(&many));
    assert_true(findings_many_next(&many));
    assert_false(findings_many_next(&many));
    assert_int_equal(many.seen, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_are_counted_and_printed),
        cmocka_unit_test(of_many_only_some_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

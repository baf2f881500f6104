/* What the doctor says of disks, by numbers that no disk is needed for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/doctor.h"

static void syncs_are_judged_by_their_time(void **state)
{
    static const struct {
        int64_t ns;
        bool rotational;
        enum finding_level level;
    } rows[] = {
        {2 * NS_PER_US, false, FINDING_WARN},
        {14999, false, FINDING_WARN},
        {15000, false, FINDING_OK},
        {NS_PER_MS, false, FINDING_OK},
        {NS_PER_MS - 1, true, FINDING_WARN},
        {NS_PER_MS, true, FINDING_OK},
        {50 * NS_PER_MS, false, FINDING_OK},
        {50 * NS_PER_MS + 1, false, FINDING_WARN},
        {200 * NS_PER_MS, true, FINDING_WARN},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *words = NULL;
        assert_int_equal(doctor_disk_judge(rows[i].ns, rows[i].rotational, &words), rows[i].level);
        assert_true((words[0] == '\0') == (rows[i].level == FINDING_OK));
    }
}

static void options_that_break_promises_are_found(void **state)
{
    (void)state;
    assert_null(doctor_disk_bad_option("rw,relatime"));
    assert_null(doctor_disk_bad_option(""));
    assert_null(doctor_disk_bad_option("rw,barrier=1,nobarriers"));
    assert_string_equal(doctor_disk_bad_option("rw,nobarrier"), "nobarrier");
    assert_string_equal(doctor_disk_bad_option("nobarrier,rw"), "nobarrier");
    assert_string_equal(doctor_disk_bad_option("rw,data=writeback,x"), "data=writeback");
}

static void kinds_have_words_and_a_fix(void **state)
{
    (void)state;
    assert_int_equal(doctor_disk_kind(0xEF53)->level, FINDING_OK);
    assert_int_equal(doctor_disk_kind(0x01021994)->level, FINDING_WARN);
    assert_int_equal(doctor_disk_kind(0x6969)->level, FINDING_FAIL);
    assert_non_null(doctor_disk_kind(0x6969)->fix);
    assert_int_equal(doctor_disk_kind((long)(int)0x9123683E)->level, FINDING_OK); /* signed */
    assert_null(doctor_disk_kind(12345));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syncs_are_judged_by_their_time),
        cmocka_unit_test(options_that_break_promises_are_found),
        cmocka_unit_test(kinds_have_words_and_a_fix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

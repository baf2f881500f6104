#include "scratch.h"

#include <signal.h>

#include "base/fault.h"

static void pass_twice(void)
{
    fault_point("before_commit");
    fault_point("after_commit");
    fault_point("after_commit");
}

static void the_named_point_kills(void **state)
{
    (void)state;
    static const struct {
        const char *wanted; /* NULL: unset */
        int signal;
    } cases[] = {
        {NULL, 0},
        {"", 0},
        {"other", 0},
        {"after_commi", 0},
        {"after_commit_", 0},
        {"after_commit", SIGKILL},
        {"after_commit:2", SIGKILL},
        {"after_commit:3", 0},
        {"before_commit:1", SIGKILL},
        {"before_commit:2", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(unsetenv("ZOE_FAULT_KILL"), 0);
        if (cases[i].wanted != NULL) {
            assert_int_equal(setenv("ZOE_FAULT_KILL", cases[i].wanted, 1), 0);
        }
        assert_int_equal(scratch_child_signal(pass_twice), cases[i].signal);
    }
    assert_int_equal(unsetenv("ZOE_FAULT_KILL"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_named_point_kills)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

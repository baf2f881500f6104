#include "scratch.h"

#include <string.h>

#include "base/clock.h"

static void time_does_not_go_back(void **state)
{
    (void)state;
    int64_t last = clock_now_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_now_ns();
        assert_true(now >= last);
        last = now;
    }
    assert_true(clock_wall_ms() > INT64_C(1700000000000));
}

static void wall_text(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000Z"},
        {1, "1970-01-01T00:00:00.001Z"},
        {INT64_C(1795514400123), "2026-11-24T10:00:00.123Z"},
        {INT64_C(951782399999), "2000-02-28T23:59:59.999Z"},
        {INT64_C(951782400000), "2000-02-29T00:00:00.000Z"},
        {INT64_C(253402300799999), "9999-12-31T23:59:59.999Z"},
        {INT64_C(253402300800000), "9999-12-31T23:59:59.999Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {-1, "1970-01-01T00:00:00.000Z"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[CLOCK_TEXT_SIZE];
        clock_wall_text(cases[i].ms, out);
        assert_string_equal(out, cases[i].text);
    }
}

static void duration_text(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0 s"},
        {-5 * NS_PER_S, "0 s"},
        {450 * NS_PER_MS, "450 ms"},
        {NS_PER_S - 1, "999 ms"},
        {NS_PER_S, "1 s"},
        {42 * NS_PER_S, "42 s"},
        {59 * NS_PER_S, "59 s"},
        {60 * NS_PER_S, "1 min 00 s"},
        {200 * NS_PER_S, "3 min 20 s"},
        {3599 * NS_PER_S, "59 min 59 s"},
        {3900 * NS_PER_S, "1 h 05 min"},
        {(48 * 3600 - 1) * NS_PER_S, "47 h 59 min"},
        {(3 * 86400 + 4 * 3600) * NS_PER_S, "3 d 04 h"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        clock_duration_text(cases[i].ns, out, sizeof(out));
        assert_string_equal(out, cases[i].text);
    }
    char tiny[4];
    clock_duration_text(200 * NS_PER_S, tiny, sizeof(tiny));
    assert_string_equal(tiny, "3 m");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_does_not_go_back),
        cmocka_unit_test(wall_text),
        cmocka_unit_test(duration_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "unit/base/scratch.h"

#include <stdio.h>
#include <string.h>

#include "base/log_pace.h"

#define AT (INT64_C(1000) * NS_PER_S)

struct heard {
    unsigned count;
    enum log_level level;
    char line[4096];
};

static void hear(void *context, enum log_level level, const char *line)
{
    struct heard *h = context;
    h->count++;
    h->level = level;
    (void)snprintf(h->line, sizeof(h->line), "%s", line);
}

static int restore(void **state)
{
    (void)state;
    log_set_sink(NULL, NULL);
    return 0;
}

static void take_all_at_once(struct log_pace *p, int64_t now_ns)
{
    uint64_t unsaid = 99;
    for (int i = 0; i < LOG_PACE_BURST; i++) {
        assert_true(log_pace_take(p, now_ns, &unsaid));
        assert_int_equal(unsaid, 0);
    }
    assert_false(log_pace_take(p, now_ns, &unsaid));
}

static void a_few_at_once_then_one_in_a_while(void **state)
{
    (void)state;
    struct log_pace p = {0};
    uint64_t unsaid = 99;
    take_all_at_once(&p, AT);
    assert_false(log_pace_take(&p, AT + LOG_PACE_EVERY_NS - 1, &unsaid));
    assert_true(log_pace_take(&p, AT + LOG_PACE_EVERY_NS, &unsaid));
    assert_int_equal(unsaid, 2);
    assert_false(log_pace_take(&p, AT + LOG_PACE_EVERY_NS, &unsaid));
    assert_true(log_pace_take(&p, AT + 2 * LOG_PACE_EVERY_NS, &unsaid));
    assert_int_equal(unsaid, 1);
}

static void after_a_rest_there_are_as_many_as_at_first_and_no_more(void **state)
{
    (void)state;
    struct log_pace p = {0};
    uint64_t unsaid = 0;
    take_all_at_once(&p, AT);
    const int64_t later_ns = AT + 1000 * LOG_PACE_EVERY_NS;
    assert_true(log_pace_take(&p, later_ns, &unsaid));
    assert_int_equal(unsaid, 1);
    for (int i = 1; i < LOG_PACE_BURST; i++)
        assert_true(log_pace_take(&p, later_ns, &unsaid));
    assert_false(log_pace_take(&p, later_ns, &unsaid));
}

static void it_is_fresh_when_the_clock_begins(void **state)
{
    (void)state;
    struct log_pace p = {0};
    take_all_at_once(&p, 0);
}

/* A million of them in ten minutes. */
static void a_flood_has_few_lines_and_all_of_it_is_counted(void **state)
{
    (void)state;
    struct log_pace p = {0};
    const int64_t lasts_ns = 600 * NS_PER_S, count = 1000000;
    int64_t said = 0;
    uint64_t unsaid = 0, left_out = 0;
    for (int64_t i = 0; i < count; i++) {
        if (!log_pace_take(&p, AT + lasts_ns / count * i, &unsaid)) continue;
        said++;
        left_out += unsaid;
    }
    assert_in_range(said, LOG_PACE_BURST, LOG_PACE_BURST + lasts_ns / LOG_PACE_EVERY_NS);
    assert_int_equal((uint64_t)said + left_out + p.unsaid, count);
}

static void one_kind_hides_no_other(void **state)
{
    (void)state;
    struct log_pace loud = {0}, other = {0};
    uint64_t unsaid = 0;
    take_all_at_once(&loud, AT);
    assert_true(log_pace_take(&other, AT, &unsaid));
}

static void a_line_tells_how_many_were_not_said(void **state)
{
    (void)state;
    struct heard h = {0};
    struct log_pace p = {0};
    log_set_sink(hear, &h);
    for (int i = 0; i < LOG_PACE_BURST + 7; i++)
        log_paced(&p, AT, LOG_WARN, "refused worker=%s: %d", "w1", i);
    assert_int_equal(h.count, LOG_PACE_BURST);
    assert_int_equal(h.level, LOG_WARN);
    assert_non_null(strstr(h.line, " refused worker=w1: 4"));
    assert_null(strstr(h.line, "unsaid"));
    log_paced(&p, AT + LOG_PACE_EVERY_NS, LOG_ERROR, "refused worker=%s", "w2");
    assert_int_equal(h.count, LOG_PACE_BURST + 1);
    assert_int_equal(h.level, LOG_ERROR);
    assert_non_null(strstr(h.line, " refused worker=w2 unsaid=7"));
}

static void the_count_is_there_behind_a_text_that_is_cut(void **state)
{
    (void)state;
    struct heard h = {0};
    struct log_pace p = {.unsaid = 3};
    char text[6000];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_set_sink(hear, &h);
    log_paced(&p, AT, LOG_WARN, "%s", text);
    assert_non_null(strstr(h.line, "xxx unsaid=3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_at_once_then_one_in_a_while),
        cmocka_unit_test(after_a_rest_there_are_as_many_as_at_first_and_no_more),
        cmocka_unit_test(it_is_fresh_when_the_clock_begins),
        cmocka_unit_test(a_flood_has_few_lines_and_all_of_it_is_counted),
        cmocka_unit_test(one_kind_hides_no_other),
        cmocka_unit_test_teardown(a_line_tells_how_many_were_not_said, restore),
        cmocka_unit_test_teardown(the_count_is_there_behind_a_text_that_is_cut, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

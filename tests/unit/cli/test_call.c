/* Command lines: options, their forms, their errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/path.h"
#include "cli/command.h"

static int run_nothing(struct call *call)
{
    (void)call;
    return 0;
}

static const struct option OPTIONS[] = {{"size", 's', "WxH", "size"},
                                        {"again", 0, NULL, "again"},
                                        {"count", 'n', "N", "count"},
                                        {"for", 0, "TIME", "time"},
                                        {"with", 0, "NAME...", "may be repeated"},
                                        {0}};
static const struct command COMMAND = {"test", "this", "FILE [DIR]", 1,           2,
                                       "test", NULL,   OPTIONS,      run_nothing, false};

static bool parse(struct call *call, struct error *err, int argc, const char **argv)
{
    static char copies[16][64];
    char *words[16];
    bool help;
    for (int i = 0; i < argc; i++) {
        strncpy(copies[i], argv[i], sizeof copies[i] - 1);
        words[i] = copies[i];
    }
    return call_parse(call, &COMMAND, argc, words, &help, err);
}

#define PARSE(call, err, ...)                                                                      \
    parse(call, err, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                \
          (const char *[]){__VA_ARGS__})

static void test_forms(void **state)
{
    (void)state;
    struct call call;
    struct error err = {0};
    assert_true(PARSE(&call, &err, "-s", "8x8", "in.txt", "--again", "--count=5", "--json"));
    assert_string_equal(call_option(&call, "size"), "8x8");
    assert_string_equal(call_option(&call, "count"), "5");
    assert_true(call_has(&call, "again") && call.json && !call.quiet);
    assert_int_equal(call.argument_count, 1);
    assert_true(PARSE(&call, &err, "--", "--size", "out"));
    assert_string_equal(call.arguments[0], "--size");
    assert_true(PARSE(&call, &err, "-"));
    assert_string_equal(call.arguments[0], "-");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *words[3];
        const char *says;
    } CASES[] = {
        {{"a", "--sise", "x"}, "--size"},
        {{"a", "--size", NULL}, "needs a value"},
        {{"a", "--again=yes", "b"}, "takes no value"},
        {{"a", "--again", "--again"}, "twice"},
        {{"--again", NULL, NULL}, "missing"},
        {{"a", "b", "c"}, "too many"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct call call;
        struct error err = {0};
        int count = 0;
        const char *words[3];
        while (count < 3 && CASES[i].words[count]) {
            words[count] = CASES[i].words[count];
            count++;
        }
        assert_false(parse(&call, &err, count, words));
        assert_int_equal(err.code, ERROR_USAGE);
        assert_non_null(strstr(err.message, CASES[i].says));
    }
}

static void test_numbers_have_limits(void **state)
{
    (void)state;
    struct call call;
    struct error err = {0};
    int64_t n = 7;
    assert_true(PARSE(&call, &err, "a", "--count", "10"));
    assert_true(call_number(&call, "count", 1, 10, &n, &err) && n == 10);
    assert_false(call_number(&call, "count", 1, 9, &n, &err));
    assert_true(PARSE(&call, &err, "a"));
    n = 7;
    assert_true(call_number(&call, "count", 1, 9, &n, &err) && n == 7);
    assert_true(PARSE(&call, &err, "a", "--count", "1x"));
    assert_false(call_number(&call, "count", 1, 9, &n, &err));
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds; /* -1 = refused */
    } CASES[] = {{"90", 90},          {"90s", 90},   {"5m", 300},      {"1h30m", 5400},
                 {"1d", 86400},       {"0", 0},      {"", -1},         {"m", -1},
                 {"5x", -1},          {"-5", -1},    {"1.5h", -1},     {"9999999", -1},
                 {"1000d", 86400000}, {"1001d", -1}, {"1000000d", -1}, {"1000d1s", -1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t ns = -1;
        bool ok = duration_parse(CASES[i].text, &ns);
        assert_int_equal(ok, CASES[i].seconds >= 0);
        if (ok) assert_int_equal(ns, CASES[i].seconds * NS_PER_S);
    }
}

static void test_json_is_known_before_the_rest(void **state)
{
    (void)state;
    struct call call;
    struct error err = {0};
    assert_false(PARSE(&call, &err, "in.txt", "--nope", "--json"));
    assert_true(call.json);
    assert_false(PARSE(&call, &err, "--nope", "--", "--json"));
    assert_false(call.json);
}

static void test_table_is_sound(void **state)
{
    (void)state;
    int count;
    const struct command *const *rows = commands_all(&count);
    for (int i = 0; i < count; i++) {
        assert_non_null(rows[i]->run);
        assert_true(strlen(rows[i]->summary) > 5);
        for (const struct option *o = rows[i]->options; o && o->name; o++)
            for (const struct option *c = commands_common_options(); c->name; c++)
                assert_string_not_equal(o->name, c->name);
        for (int j = 0; j < i; j++)
            assert_false(
                strcmp(rows[i]->noun, rows[j]->noun) == 0 &&
                (!rows[i]->verb || !rows[j]->verb || strcmp(rows[i]->verb, rows[j]->verb) == 0));
    }
}

/* A word of mdoc(7): followed by a blank or the end of its line. */
static bool has_word(const char *text, const char *macro, const char *word)
{
    char wanted[64];
    int size = snprintf(wanted, sizeof wanted, "%s %s", macro, word);
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
        if (at[size] == ' ' || at[size] == '\n') return true;
    return false;
}

static bool tells_option(const char *page, const struct option *o)
{
    char name[40], letter[2] = {o->letter, 0};
    snprintf(name, sizeof name, "-%s", o->name);
    return has_word(page, "Fl", name) || (o->letter && has_word(page, "Fl", letter));
}

static void test_the_manual_knows_every_word(void **state)
{
    (void)state;
    int count;
    struct error err = {0};
    struct buf page = BUF_INIT;
    const struct command *const *rows = commands_all(&count);
    assert_true(path_read(TEST_SOURCE "/docs/man/zoe.1", 1 << 20, &page, &err));
    for (int i = 0; i < count; i++) {
        if (rows[i]->hidden) continue;
        const char *last = rows[i]->verb ? rows[i]->verb : rows[i]->noun;
        if (!strstr(buf_text(&page), last)) fail_msg("zoe.1 does not tell %s", last);
        for (const struct option *o = rows[i]->options; o && o->name; o++)
            if (*o->name && !tells_option(buf_text(&page), o))
                fail_msg("zoe.1 does not tell --%s of %s", o->name, last);
    }
    for (const struct option *o = commands_common_options(); o->name; o++)
        if (!tells_option(buf_text(&page), o)) fail_msg("zoe.1 does not tell --%s", o->name);
    buf_finish(&page);
}

/* zoe --state DIR worker allow KEY */
static void test_common_options_may_come_first(void **state)
{
    (void)state;
    static const struct {
        char *words[4];
        int leading;
    } CASES[] = {
        {{"status", "--state", "d", "x"}, 0}, {{"--state", "d", "worker", "list"}, 2},
        {{"--state=d", "worker"}, 1},         {{"-q", "--json", "status", "--state"}, 2},
        {{"--state", "--json", "status"}, 2}, {{"--help", "status"}, 0},
        {{"--seeds", "3", "submit"}, 0},      {{"-", "status"}, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int argc = 0;
        while (argc < 4 && CASES[i].words[argc])
            argc++;
        assert_int_equal(call_leading(argc, (char **)(uintptr_t)CASES[i].words), CASES[i].leading);
    }
    char *cut[] = {"--state"};
    assert_int_equal(call_leading(1, cut), 1);
    char *line[] = {"--state", "d", "-q", "worker", "list", "x"};
    const char *moved[] = {"worker", "list", "--state", "d", "-q", "x"};
    call_move_leading(3, 2, line);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(line[i], moved[i]);
}

static void test_repeated(void **state)
{
    (void)state;
    struct call call;
    struct error err = {0};
    const char *words[] = {"a", "--with", "x:1", "--again", "--with=y"};
    int cursor = 0;
    assert_true(parse(&call, &err, 5, words));
    assert_string_equal(call_option_next(&call, "with", &cursor), "x:1");
    assert_string_equal(call_option_next(&call, "with", &cursor), "y");
    assert_null(call_option_next(&call, "with", &cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_common_options_may_come_first),
                                       cmocka_unit_test(test_repeated),
                                       cmocka_unit_test(test_forms),
                                       cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_numbers_have_limits),
                                       cmocka_unit_test(test_durations),
                                       cmocka_unit_test(test_json_is_known_before_the_rest),
                                       cmocka_unit_test(test_table_is_sound),
                                       cmocka_unit_test(test_the_manual_knows_every_word)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

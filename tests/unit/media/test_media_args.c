/* Options of zoe-media. */
#include "unit/media/media_test.h"

#include "media/media_args.h"

struct values {
    const char *text;
    int64_t number;
    struct frames_rate rate;
};

#define ARGUMENTS_MAX 12

/* Parses the words after `out`; returns how many are left over, -1 on an error. */
static int parse(struct values *out, struct error *err, const char *const *words)
{
    const struct media_option options[] = {
        media_args_text("segment", true, &out->text, "FILE", ""),
        media_args_int("frames", false, 1, 9, &out->number, "N", ""),
        media_args_rate("fps", false, &out->rate, "R", ""),
        {.name = NULL},
    };
    char *argv[ARGUMENTS_MAX];
    char copies[ARGUMENTS_MAX][32];
    int argc = 0;
    for (; words[argc] != NULL; argc++) {
        (void)snprintf(copies[argc], sizeof(copies[argc]), "%s", words[argc]);
        argv[argc] = copies[argc];
    }
    int left;
    if (!media_args_parse(argc, argv, options, &left, err)) return -1;
    static char kept[32];
    (void)snprintf(kept, sizeof(kept), "%s", out->text);
    out->text = kept;
    return left;
}

static void both_forms_are_read(void **state)
{
    (void)state;
    struct error err;
    struct values v = {NULL, 0, {0, 0}};
    const char *const words[] = {"a",     "--segment", "x.mkv", "--frames=9", "b",
                                 "--fps", "25/2",      "--",    "--c",        NULL};
    assert_int_equal(parse(&v, &err, words), 3);
    assert_string_equal(v.text, "x.mkv");
    assert_int_equal(v.number, 9);
    assert_int_equal(v.rate.num, 25);
    assert_int_equal(v.rate.den, 2);
}

static void refused(const char *const *words, const char *part)
{
    struct error err = {.code = ERROR_NONE};
    struct values v = {NULL, 0, {0, 0}};
    assert_int_equal(parse(&v, &err, words), -1);
    assert_int_equal(err.code, ERROR_USAGE);
    if (strstr(err.message, part) == NULL) fail_msg("\"%s\" lacks \"%s\"", err.message, part);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    refused((const char *[]){"--frames", "1", NULL}, "--segment is needed");
    refused((const char *[]){"--segment", NULL}, "--segment needs a value");
    refused((const char *[]){"--segmnt", "x", NULL}, "did you mean --segment?");
    refused((const char *[]){"--segment=x", "--frames", "10", NULL}, "from 1 to 9");
    refused((const char *[]){"--segment=x", "--frames", "0", NULL}, "from 1 to 9");
    refused((const char *[]){"--segment=x", "--frames", "1x", NULL}, "whole number");
    refused((const char *[]){"--segment=x", "--fps", "fast", NULL}, "--fps fast");
    refused((const char *[]){"--zzzzzzzzzzzz", "x", NULL}, "there is no option --zzzzzzzzzzzz");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_forms_are_read),
        cmocka_unit_test(mistakes_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

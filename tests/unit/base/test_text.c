#include "scratch.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static void utf8_edges(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "plain",
                                       "\x7f",
                                       "\xc2\x80",         /* U+0080 */
                                       "\xdf\xbf",         /* U+07FF */
                                       "\xe0\xa0\x80",     /* U+0800 */
                                       "\xed\x9f\xbf",     /* U+D7FF */
                                       "\xee\x80\x80",     /* U+E000 */
                                       "\xef\xbf\xbf",     /* U+FFFF */
                                       "\xf0\x90\x80\x80", /* U+10000 */
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\x80",
                                      "\xbf",
                                      "a\x80",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xc2",
                                      "\xc2z",
                                      "\xe0\x9f\xbf",
                                      "\xe0\xa0",
                                      "\xe2\x82",
                                      "\xe2\x82z",
                                      "\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf0\x9f\x8e",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xff",
                                      "\xfe"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!text_is_utf8(good[i], strlen(good[i]))) fail_msg("good %zu", i);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (text_is_utf8(bad[i], strlen(bad[i]))) fail_msg("bad %zu", i);
    }
    assert_false(text_is_utf8("a\0b", 3));
    assert_true(text_is_utf8(NULL, 0));
}

/* Every code point, encoded here by hand, is valid exactly when it is a scalar value. */
static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0x80; c <= 0x10ffff + 0x100; c++) {
        char s[4];
        size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (size_t i = n - 1; i > 0; i--) {
            s[i] = (char)(0x80 | (c >> (6 * (n - 1 - i)) & 0x3f));
        }
        s[0] = (char)((0xf00 >> n & 0xf0) | c >> (6 * (n - 1)));
        bool scalar = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        if (text_is_utf8(s, n) != scalar) fail_msg("U+%X", (unsigned)c);
    }
}

static void slugs(void **state)
{
    (void)state;
    static const struct {
        const char *text, *slug;
    } cases[] = {
        {"A red Circle", "a-red-circle"},
        {"  --a__b!! ", "a-b"},
        {"caf\xc3\xa9 noir", "caf-noir"},
        {"", "clip"},
        {"!!!", "clip"},
        {"\xe2\x82\xac", "clip"},
        {"0123456789012345678901234567890123456789", "0123456789012345678901234567890123456789"},
        {"01234567890123456789012345678901234567890", "0123456789012345678901234567890123456789"},
        {"012345678901234567890123456789012345678 x", "012345678901234567890123456789012345678"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[TEXT_SLUG_MAX + 1];
        text_slug(cases[i].text, out);
        assert_string_equal(out, cases[i].slug);
    }
    char out[TEXT_SLUG_MAX + 1];
    text_slug_raw("!!!", out);
    assert_string_equal(out, "");
    text_slug_raw("Ab", out);
    assert_string_equal(out, "ab");
}

static void integers(void **state)
{
    (void)state;
    int64_t v = 77;
    assert_true(text_parse_i64("0", 0, 10, &v));
    assert_int_equal(v, 0);
    assert_true(text_parse_i64("10", 0, 10, &v));
    assert_int_equal(v, 10);
    assert_true(text_parse_i64("-3", -3, 10, &v));
    assert_int_equal(v, -3);
    assert_true(text_parse_i64("9223372036854775807", 0, INT64_MAX, &v));
    assert_true(v == INT64_MAX);
    assert_true(text_parse_i64("-9223372036854775808", INT64_MIN, 0, &v));
    assert_true(v == INT64_MIN);
    v = 77;
    static const char *const bad[] = {"",
                                      "-",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "0x1",
                                      "1e2",
                                      "--1",
                                      "1-1",
                                      "11",
                                      "-1x",
                                      "9223372036854775808",
                                      "99999999999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (text_parse_i64(bad[i], -10, 10, &v)) fail_msg("'%s'", bad[i]);
    }
    assert_false(text_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v));
    assert_false(text_parse_i64("-9223372036854775809", INT64_MIN, INT64_MAX, &v));
    assert_false(text_parse_i64("-0", 0, 10, &v)); /* a sign needs min < 0 */
    assert_false(text_parse_i64("-4", -3, 10, &v));
    assert_int_equal(v, 77);
}

static void reals(void **state)
{
    (void)state;
    double v = 0;
    assert_true(text_parse_double("7.5", &v) && v == 7.5);
    assert_true(text_parse_double("-.5", &v) && v == -0.5);
    assert_true(text_parse_double("5.", &v) && v == 5);
    assert_true(text_parse_double("1e-3", &v) && v == 0.001);
    assert_true(text_parse_double("1E+2", &v) && v == 100);
    assert_true(text_parse_double("1e308", &v));
    v = 77;
    static const char *const bad[] = {"",      ".",      "-",     "e5",       "1e", "1e+", "inf",
                                      "nan",   "NaN",    "0x10",  "1,5",      "1 ", " 1",  "+1",
                                      "1e309", "-1e999", "1.5.2", "infinity", "1f"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (text_parse_double(bad[i], &v)) fail_msg("'%s'", bad[i]);
    }
    assert_true(v == 77);
}

static void reals_print_exactly(void **state)
{
    (void)state;
    static const double values[] = {0.1,    1.0 / 3, 5,    1e300,         -2.5e-308,
                                    5e-324, 9.0,     1e17, 123456789.125, 0x1p53};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        char text[TEXT_REAL_SIZE];
        double back = 0;
        text_real(values[i], 17, text);
        assert_true(text_parse_double(text, &back));
        assert_true(back == values[i]);
    }
    char text[TEXT_REAL_SIZE];
    text_real(0.1, 3, text);
    assert_string_equal(text, "0.1");
    text_real(-1.7976931348623157e308, 17, text);
    assert_string_equal(text, "-1.7976931348623157e+308");
}

/* Where a locale with a decimal comma is installed, numbers must not change with it. */
static void the_locale_does_not_matter(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    const char *set = NULL;
    for (size_t i = 0; set == NULL && i < 4; i++) {
        set = setlocale(LC_ALL, commas[i]);
    }
    if (set == NULL) skip();
    char text[TEXT_REAL_SIZE];
    double v = 0;
    text_real(7.5, 17, text);
    bool parsed = text_parse_double("7.5", &v);
    (void)setlocale(LC_ALL, "C");
    assert_string_equal(text, "7.5");
    assert_true(parsed && v == 7.5);
}

static void sizes_of_pictures(void **state)
{
    (void)state;
    int64_t w = 0;
    int64_t h = 0;
    assert_true(text_parse_size("256x320", &w, &h));
    assert_int_equal(w, 256);
    assert_int_equal(h, 320);
    assert_true(text_parse_size("9223372036854775807x1", &w, &h));
    static const char *const bad[] = {"",
                                      "x",
                                      "256",
                                      "256x",
                                      "x256",
                                      "0x1",
                                      "1x0",
                                      "1X1",
                                      "-1x1",
                                      "1x-1",
                                      "1x1x1",
                                      " 1x1",
                                      "1x1 ",
                                      "1.5x2",
                                      "99999999999999999999x1",
                                      "1x99999999999999999999"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (text_parse_size(bad[i], &w, &h)) fail_msg("'%s'", bad[i]);
    }
    assert_int_equal(h, 1);
}

static void near_misses(void **state)
{
    (void)state;
    static const char *const names[] = {"guidance_scale", "prompt", "seed", "steps", "fps",
                                        "size",           "width",  NULL};
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"guidence_scale", "guidance_scale"},
        {"guidancescale", "guidance_scale"},
        {"promt", "prompt"},
        {"seeds", "seed"},
        {"esed", "seed"},
        {"step", "steps"},
        {"fsp", "fps"},
        {"widht", "width"},
        {"seed", "seed"},
        {"banana", NULL},
        {"", NULL},
        {"q", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *nearest = text_nearest(cases[i].word, names);
        if (cases[i].nearest == NULL) {
            assert_null(nearest);
        } else {
            assert_non_null(nearest);
            assert_string_equal(nearest, cases[i].nearest);
        }
    }
    static const char *const none[] = {NULL};
    assert_null(text_nearest("seed", none));
    char word[65] = "";
    memset(word, 'w', 64);
    const char *const self[] = {word, NULL};
    assert_null(text_nearest(word, self)); /* too long to be a slip */
    word[63] = '\0';
    assert_ptr_equal(text_nearest(word, self), word);
}

static void byte_counts(void **state)
{
    (void)state;
    static const struct {
        uint64_t size;
        const char *text;
    } cases[] = {
        {0, "0 B"},         {512, "512 B"},        {999, "999 B"},         {1000, "1.0 kB"},
        {1049, "1.0 kB"},   {1050, "1.1 kB"},      {1400000, "1.4 MB"},    {999949, "999.9 kB"},
        {999950, "1.0 MB"}, {999999999, "1.0 GB"}, {6200000000, "6.2 GB"}, {UINT64_MAX, "18.4 EB"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char out[32];
        text_size(cases[i].size, out, sizeof(out));
        assert_string_equal(out, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_edges),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(slugs),
        cmocka_unit_test(integers),
        cmocka_unit_test(reals),
        cmocka_unit_test(reals_print_exactly),
        cmocka_unit_test(the_locale_does_not_matter),
        cmocka_unit_test(sizes_of_pictures),
        cmocka_unit_test(near_misses),
        cmocka_unit_test(byte_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "scratch.h"

#include <stdio.h>
#include <string.h>

#include "base/id.h"
#include "base/json.h"

static json_t *parse(const char *text)
{
    struct error err = {0};
    json_t *value = json_parse(text, strlen(text), "test", &err);
    if (value == NULL) fail_msg("%s", err.message);
    return value;
}

static void bad_texts_say_where(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "{\"a\":1,\"a\":2}",
        "{\"a\":{\"b\":1,\"b\":1}}",
        "{\"a\":1} x",
        "[1,]",
        "[NaN]",
        "[Infinity]",
        "[1e999]",
        "[01]",
        "[9223372036854775808]",
        "[\"\\u0000\"]",
        "[\"\\ud800\"]",
        "[\"\xed\xa0\x80\"]",
        "[\"\xc0\x80\"]",
        "[\"\xff\"]",
        "[\"a\nb\"]",
        "\"top\"",
        "7",
        "null",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        json_t *value = json_parse(bad[i], strlen(bad[i]), "unet/config.json", &err);
        if (value != NULL) fail_msg("accepted: %s", bad[i]);
        assert_int_equal(err.code, ERROR_INVALID);
        assert_memory_equal(err.message, "unet/config.json:", 17);
    }
    struct error err = {0};
    assert_null(json_parse("{\n  \"a\": ?\n}", 12, "f", &err));
    assert_memory_equal(err.message, "f:2:", 4);
    assert_null(json_parse("[1]\0", 4, "f", &err));
}

/* jansson stops at 2048 levels; far more must fail softly. */
static void depth_is_limited(void **state)
{
    (void)state;
    char *text = xmalloc(200000);
    for (int depth = 2000; depth <= 100000; depth += 98000) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        struct error err = {0};
        json_t *value = json_parse(text, (size_t)depth * 2, "deep", &err);
        assert_int_equal(value != NULL, depth == 2000);
        if (value != NULL) {
            char *canonical = json_canonical(value);
            assert_int_equal(strlen(canonical), 4000);
            free(canonical);
        }
        json_decref(value);
    }
    free(text);
}

static void files_have_a_limit(void **state)
{
    (void)state;
    char *folder = scratch_make();
    char *path = path_join(folder, "f.json");
    struct error err = {0};
    assert_true(path_write_atomic(path, "[1,2]", 5, 0600, &err));
    json_t *value = json_parse_file(path, 5, &err);
    assert_int_equal(json_array_size(value), 2);
    json_decref(value);
    assert_null(json_parse_file(path, 4, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    assert_true(path_write_atomic(path, "", 0, 0600, &err));
    assert_null(json_parse_file(path, 4, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_null(json_parse_file("/no/such/file", 4, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(path);
    scratch_remove(folder);
}

static void expect_canonical(const char *text, const char *expected)
{
    json_t *value = parse(text);
    char *once = json_canonical(value);
    assert_string_equal(once, expected);
    json_t *again = parse(once);
    char *twice = json_canonical(again);
    assert_string_equal(once, twice);
    free(once);
    free(twice);
    json_decref(value);
    json_decref(again);
}

static void canonical_texts(void **state)
{
    (void)state;
    expect_canonical("{}", "{}");
    expect_canonical(" [ ] ", "[]");
    expect_canonical("{\"b\": 1, \"a\": [true, false, null], \"B\": {\"z\":1,\"y\":2}}",
                     "{\"B\":{\"y\":2,\"z\":1},\"a\":[true,false,null],\"b\":1}");
    expect_canonical("[5.0, 5, 7.5, 0.1]", "[5,5,7.5,0.10000000000000001]");
    expect_canonical("[-0.0, 0.0, -0, 1e2, 1e17, 1e16]", "[0,0,0,100,1e+17,10000000000000000]");
    expect_canonical("[9223372036854775807, -9223372036854775808, 1e-7]",
                     "[9223372036854775807,-9223372036854775808,9.9999999999999995e-08]");
    expect_canonical("[\"a/\\/\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"]",
                     "[\"a//\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"]");
    expect_canonical("[\"\\u00e4\\ud83c\\udfac\"]", "[\"\xc3\xa4\xf0\x9f\x8e\xac\"]");
    expect_canonical("{\"\xc3\xa4\":1,\"z\":2,\"\":3,\"a\\n\":4}",
                     "{\"\":3,\"a\\n\":4,\"z\":2,\"\xc3\xa4\":1}");
}

/* Random reals keep their value through canonical and pretty text. */
static void reals_survive(void **state)
{
    (void)state;
    for (int i = 0; i < 5000; i++) {
        uint64_t bits = id_random_u64();
        double d = 0;
        memcpy(&d, &bits, sizeof(d));
        json_t *value = json_real(d);
        if (value == NULL) continue; /* NaN and infinities are no JSON */
        json_t *list = json_pack("[o]", value);
        char *texts[] = {json_canonical(list), json_pretty(list), json_line(list)};
        for (int k = 0; k < 3; k++) {
            json_t *back = parse(texts[k]);
            assert_true(json_number_value(json_array_get(back, 0)) == d);
            if (k > 0) assert_true(json_is_real(json_array_get(back, 0)));
            json_decref(back);
            free(texts[k]);
        }
        json_decref(list);
    }
}

static void pretty_keeps_order_and_types(void **state)
{
    (void)state;
    json_t *value = parse("{\"z\":0.1,\"a\":5.0,\"list\":[1,{\"k\":\"v\"}],\"none\":{},\"no\":[]}");
    char *pretty = json_pretty(value);
    assert_string_equal(pretty, "{\n"
                                "  \"z\": 0.1,\n"
                                "  \"a\": 5.0,\n"
                                "  \"list\": [\n"
                                "    1,\n"
                                "    {\n"
                                "      \"k\": \"v\"\n"
                                "    }\n"
                                "  ],\n"
                                "  \"none\": {},\n"
                                "  \"no\": []\n"
                                "}\n");
    char *line = json_line(value);
    assert_string_equal(line, "{\"z\": 0.1, \"a\": 5.0, \"list\": [1, {\"k\": \"v\"}], "
                              "\"none\": {}, \"no\": []}");
    json_t *back = parse(pretty);
    assert_true(json_equal(value, back));
    json_decref(back);
    free(pretty);
    free(line);
    json_decref(value);
}

static void members_by_type(void **state)
{
    (void)state;
    json_t *o = parse("{\"i\":7,\"r\":0.5,\"t\":\"x\",\"b\":true,\"n\":null,\"five\":5.0}");
    struct error err = {0};
    int64_t i = 0;
    double r = 0;
    bool b = false;
    const char *t = NULL;
    assert_true(json_get_int(o, "i", &i, "doc", &err) && i == 7);
    assert_true(json_get_int_or(o, "i", 9, &i, "doc", &err) && i == 7);
    assert_true(json_get_int_or(o, "absent", 9, &i, "doc", &err) && i == 9);
    assert_true(json_get_int_or(o, "n", 8, &i, "doc", &err) && i == 8);
    assert_true(json_get_real_or(o, "r", 1, &r, "doc", &err) && r == 0.5);
    assert_true(json_get_real_or(o, "i", 1, &r, "doc", &err) && r == 7);
    assert_true(json_get_real_or(o, "absent", 1.5, &r, "doc", &err) && r == 1.5);
    assert_true(json_get_bool_or(o, "b", false, &b, "doc", &err) && b);
    assert_true(json_get_bool_or(o, "absent", true, &b, "doc", &err) && b);
    assert_true(json_get_text(o, "t", &t, "doc", &err));
    assert_string_equal(t, "x");
    assert_true(json_get_text_or(o, "n", "fallback", &t, "doc", &err));
    assert_string_equal(t, "fallback");
    assert_true(json_get_text_or(o, "absent", NULL, &t, "doc", &err));
    assert_null(t);
    assert_int_equal(err.code, ERROR_NONE);

    assert_false(json_get_int(o, "absent", &i, "doc", &err));
    assert_string_equal(err.message, "doc: there is no member 'absent'");
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(json_get_int(o, "n", &i, "doc", &err));
    assert_false(json_get_int(o, "five", &i, "doc", &err));
    assert_string_equal(err.message, "doc: 'five' must be an integer");
    assert_false(json_get_int_or(o, "t", 1, &i, "doc", &err));
    assert_false(json_get_real_or(o, "t", 1, &r, "doc", &err));
    assert_false(json_get_bool_or(o, "i", true, &b, "doc", &err));
    assert_false(json_get_text(o, "i", &t, "doc", &err));
    assert_false(json_get_text(o, "absent", &t, "doc", &err));
    assert_false(json_get_text_or(o, "b", "x", &t, "doc", &err));
    json_t *array = parse("[1]");
    assert_false(json_get_int(array, "i", &i, "doc", &err)); /* not an object: no members */
    json_decref(array);
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_texts_say_where), cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(files_have_a_limit),  cmocka_unit_test(canonical_texts),
        cmocka_unit_test(reals_survive),       cmocka_unit_test(pretty_keeps_order_and_types),
        cmocka_unit_test(members_by_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rates, shapes and what a survey says of pictures. */
#include "unit/media/media_test.h"

#include "media/frames.h"
#include "media/survey.h"

static void rate_is(const char *text, int num, int den)
{
    struct frames_rate rate = {0, 0};
    assert_true(frames_rate_parse(text, &rate));
    assert_int_equal(rate.num, num);
    assert_int_equal(rate.den, den);
}

static void rates_are_read(void **state)
{
    (void)state;
    rate_is("8", 8, 1);
    rate_is("8.0", 8, 1);
    rate_is("12.5", 25, 2);
    rate_is("30000/1001", 30000, 1001);
    rate_is("23.976", 2997, 125);
    rate_is("0.5", 1, 2);
    rate_is("1000", 1000, 1);
    rate_is("24/2", 12, 1);
}

static void other_rates_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "0",           "-8",   "8/0",   "0/8",      "1001",
                                      "nan", "8.",          ".5x",  "8/1/1", "1e3",      " 8",
                                      "8 ",  "1000.000001", "0.00", "0x10",  "8.1234567"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct frames_rate rate = {7, 7};
        if (frames_rate_parse(bad[i], &rate)) fail_msg("\"%s\" was taken for a rate", bad[i]);
        assert_int_equal(rate.num, 7);
    }
}

static void limits_are_exact(void **state)
{
    (void)state;
    struct error err;
    struct frames_shape shape = shape_of(FRAMES_SIDE_MAX, FRAMES_SIDE_MAX, FRAMES_COUNT_MAX);
    must(frames_shape_check(&shape, &err), &err);
    shape.width++;
    assert_false(frames_shape_check(&shape, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    shape = shape_of(FRAMES_SIDE_MIN, FRAMES_SIDE_MAX + 1, 1);
    assert_false(frames_shape_check(&shape, &err));
    shape = shape_of(2, 2, FRAMES_COUNT_MAX + 1);
    assert_false(frames_shape_check(&shape, &err));
    shape = shape_of(FRAMES_SIDE_MIN - 1, 2, 1);
    assert_false(frames_shape_check(&shape, &err));
    shape = shape_of(2, FRAMES_SIDE_MIN - 1, 1);
    assert_false(frames_shape_check(&shape, &err));
    shape = shape_of(FRAMES_SIDE_MIN, FRAMES_SIDE_MIN, 1);
    must(frames_shape_check(&shape, &err), &err);
    shape.count = 0;
    assert_false(frames_shape_check(&shape, &err));
    shape = shape_of(2, 2, 1);
    shape.rate = (struct frames_rate){0, 1};
    assert_false(frames_shape_check(&shape, &err));
}

/* Pictures of one flat colour each, 4x2 pixels. */
static struct survey_result survey_of(const uint8_t (*colours)[3], int count)
{
    const struct frames_shape shape = shape_of(4, 2, count);
    struct error err;
    struct survey survey;
    must(survey_init(&survey, &shape, &err), &err);
    for (int i = 0; i < count; i++) {
        uint8_t rgb[24];
        for (int p = 0; p < 24; p++) {
            rgb[p] = colours[i][p % 3];
        }
        survey_add(&survey, rgb);
    }
    const struct survey_result result = survey_end(&survey);
    survey_finish(&survey);
    return result;
}

static void black_is_luma_up_to_two(void **state)
{
    (void)state;
    static const uint8_t dark[][3] = {{2, 2, 2}, {0, 0, 0}, {1, 2, 30}};
    struct survey_result seen = survey_of(dark, 2);
    assert_string_equal(seen.suspect, "black");
    assert_int_equal(seen.luma_max, 2);
    seen = survey_of(dark, 3); /* a blue of 30 has luma 4 */
    assert_string_equal(seen.suspect, "");
    assert_int_equal(seen.luma_max, 4);
    static const uint8_t three[][3] = {{3, 3, 3}, {0, 0, 0}};
    seen = survey_of(three, 2);
    assert_string_equal(seen.suspect, "");
    assert_int_equal(seen.luma_max, 3);
}

static void still_needs_more_than_one_picture(void **state)
{
    (void)state;
    static const uint8_t same[][3] = {{200, 9, 9}, {200, 9, 9}, {200, 9, 9}, {200, 9, 10}};
    assert_string_equal(survey_of(same, 1).suspect, "");
    assert_string_equal(survey_of(same, 3).suspect, "still");
    assert_string_equal(survey_of(same, 4).suspect, "");
    assert_int_equal(survey_of(same, 4).count, 4);
}

static void digest_is_of_the_bytes_in_order(void **state)
{
    (void)state;
    static const uint8_t two[][3] = {{1, 2, 3}, {4, 5, 6}};
    uint8_t bytes[48];
    for (int i = 0; i < 48; i++) {
        bytes[i] = two[i / 24][i % 3];
    }
    const struct digest want = digest_of(bytes, sizeof(bytes));
    const struct survey_result seen = survey_of(two, 2);
    assert_true(digest_equal(&want, &seen.frames_sha256));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_read),
        cmocka_unit_test(other_rates_are_refused),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(black_is_luma_up_to_two),
        cmocka_unit_test(still_needs_more_than_one_picture),
        cmocka_unit_test(digest_is_of_the_bytes_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The conversion against the definition in floating point. */
#include "unit/media/media_test.h"

#include <math.h>

#include "media/yuv.h"

struct planes {
    uint8_t y[64], u[16], v[16];
};

static void convert(const uint8_t *rgb, int width, int height, struct planes *out)
{
    memset(out, 0xEE, sizeof(*out));
    const struct yuv_planes planes = {out->y, out->u, out->v, 8, 4};
    yuv_from_rgb(rgb, width, height, &planes);
}

static void flat(uint8_t r, uint8_t g, uint8_t b, struct planes *out)
{
    const uint8_t rgb[12] = {r, g, b, r, g, b, r, g, b, r, g, b};
    convert(rgb, 2, 2, out);
}

static int nearest(double value)
{
    return (int)floor(value + 0.5);
}

static void flat_colours_are_the_nearest(void **state)
{
    (void)state;
    struct planes got;
    for (int r = 0; r <= 255; r += 15) {
        for (int g = 0; g <= 255; g += 15) {
            for (int b = 0; b <= 255; b += 15) {
                double luma = 0.2126 * r + 0.7152 * g + 0.0722 * b;
                flat((uint8_t)r, (uint8_t)g, (uint8_t)b, &got);
                assert_int_equal(got.y[0], nearest(16 + 219 * luma / 255));
                assert_int_equal(got.u[0], nearest(128 + 224 * (b - luma) / (255 * 1.8556)));
                assert_int_equal(got.v[0], nearest(128 + 224 * (r - luma) / (255 * 1.5748)));
            }
        }
    }
}

static void range_is_limited(void **state)
{
    (void)state;
    struct planes got;
    flat(0, 0, 0, &got);
    assert_int_equal(got.y[0], 16);
    assert_int_equal(got.u[0], 128);
    flat(255, 255, 255, &got);
    assert_int_equal(got.y[0], 235);
    assert_int_equal(got.v[0], 128);
    flat(0, 0, 255, &got);
    assert_int_equal(got.u[0], 240);
    flat(255, 0, 0, &got);
    assert_int_equal(got.v[0], 240);
}

/* Red, black / black, black: chroma is that of a quarter of red. */
static void chroma_is_the_mean_of_four(void **state)
{
    (void)state;
    const uint8_t rgb[12] = {255, 0, 0};
    struct planes got;
    convert(rgb, 2, 2, &got);
    double luma = 0.2126 * 255 / 4;
    assert_int_equal(got.v[0], nearest(128 + 224 * (255.0 / 4 - luma) / (255 * 1.5748)));
    assert_int_equal(got.y[0], nearest(16 + 219 * 0.2126));
    assert_int_equal(got.y[1], 16);
    assert_int_equal(got.y[8], 16);
}

static void odd_edges_are_repeated(void **state)
{
    (void)state;
    uint8_t rgb[3 * 3 * 3];
    memset(rgb, 0, sizeof(rgb));
    for (int i = 0; i < 3; i++) {
        memset(rgb + i * 9 + 6, 200, 3);  /* last column */
        memset(rgb + 18 + i * 3, 100, 3); /* last row */
    }
    struct planes got;
    convert(rgb, 3, 3, &got);
    assert_int_equal(got.y[3], got.y[2]);           /* column 3 = column 2 */
    assert_int_equal(got.y[24 + 3], got.y[16 + 2]); /* corner */
    assert_int_equal(got.y[24], got.y[16]);         /* row 3 = row 2 */
    assert_int_not_equal(got.y[2], got.y[1]);
    assert_int_equal(got.y[4], 0xEE); /* nothing beyond */
    assert_int_equal(got.u[2], 0xEE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_colours_are_the_nearest),
        cmocka_unit_test(range_is_limited),
        cmocka_unit_test(chroma_is_the_mean_of_four),
        cmocka_unit_test(odd_edges_are_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

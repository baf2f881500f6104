/* Pictures at another rate and of another size: exact counts, the same bits on every processor. */
#include "unit/media/media_test.h"

#include <libavutil/cpu.h>

#include "media/retime.h"

struct seen {
    struct frames_shape shape;
    int64_t count;
    struct digest_stream digest;
    uint8_t *pictures; /* all of them, or NULL */
};

static bool see(void *context, const uint8_t *rgb, struct error *err)
{
    struct seen *s = context;
    const size_t size = frames_size_bytes(&s->shape);
    (void)err;
    digest_update(&s->digest, rgb, size);
    if (s->pictures != NULL) memcpy(s->pictures + (size_t)s->count * size, rgb, size);
    s->count++;
    return true;
}

typedef uint8_t *(*painter)(const struct frames_shape *shape, int64_t index);

static struct digest run(const struct frames_shape *in, const struct frames_shape *out,
                         painter paint, uint8_t *pictures)
{
    struct error err;
    struct seen s = {.shape = *out, .pictures = pictures};
    digest_begin(&s.digest);
    struct retime *r = retime_create(in, out, see, &s, &err);
    must(r != NULL, &err);
    for (int64_t i = 0; i < in->count; i++) {
        uint8_t *rgb = paint(in, i);
        must(retime_push(r, rgb, &err), &err);
        free(rgb);
    }
    must(retime_finish(r, &err), &err);
    assert_int_equal(s.count, out->count);
    retime_destroy(r);
    return digest_end(&s.digest);
}

static struct frames_shape at_rate(const struct frames_shape *in, int num, int den)
{
    struct frames_shape out = *in;
    out.rate = (struct frames_rate){num, den};
    out.count = retime_count(in->count, in->rate, out.rate);
    return out;
}

static void counts_are_exact(void **state)
{
    static const int64_t counts[] = {1, 2, 3, 4, 16, 33};
    static const int rates[][2] = {{24, 1}, {30000, 1001}, {12, 1}, {3, 1}, {60, 1}, {25, 2}};
    (void)state;
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
            const struct frames_shape in = shape_of(48, 32, counts[c]);
            const struct frames_shape out = at_rate(&in, rates[r][0], rates[r][1]);
            (void)run(&in, &out, moving_picture, NULL);
        }
    assert_int_equal(retime_count(16, (struct frames_rate){8, 1}, (struct frames_rate){24, 1}), 48);
    assert_int_equal(retime_count(16, (struct frames_rate){8, 1}, (struct frames_rate){25, 2}), 25);
    assert_int_equal(
        retime_count(4800, (struct frames_rate){8, 1}, (struct frames_rate){30000, 1001}), 17982);
    assert_int_equal(retime_count(1, (struct frames_rate){8, 1}, (struct frames_rate){1, 1}), 1);
}

/* A soft white spot that moves three pixels a picture to the right. */
static uint8_t *spot(const struct frames_shape *shape, int64_t index)
{
    uint8_t *rgb = xmalloc(frames_size_bytes(shape));
    for (int y = 0; y < shape->height; y++)
        for (int x = 0; x < shape->width; x++) {
            const int dx = x - 16 - 3 * (int)index, dy = y - shape->height / 2;
            const int value = 230 - (dx * dx + dy * dy) * 3 / 2;
            memset(rgb + ((size_t)y * (size_t)shape->width + (size_t)x) * 3,
                   value > 20 ? value : 20, 3);
        }
    return rgb;
}

/* Where the light is, in hundredths of a pixel from the left. */
static int centre(const struct frames_shape *shape, const uint8_t *rgb)
{
    int64_t sum = 0, weight = 0;
    for (int y = 0; y < shape->height; y++)
        for (int x = 0; x < shape->width; x++) {
            const int value = rgb[((size_t)y * (size_t)shape->width + (size_t)x) * 3] - 20;
            sum += (int64_t)value * x * 100;
            weight += value;
        }
    return (int)(sum / weight);
}

static void motion_goes_on_between_pictures(void **state)
{
    (void)state;
    const struct frames_shape in = shape_of(96, 64, 10), out = at_rate(&in, 24, 1);
    const size_t size = frames_size_bytes(&out);
    uint8_t *pictures = xmalloc(size * (size_t)out.count);
    (void)run(&in, &out, spot, pictures);
    for (int64_t i = 0; i < out.count; i++) {
        int64_t third = i < 27 ? i : 27; /* the last picture stays */
        int want = 1600 + 100 * (int)third, have = centre(&out, pictures + (size_t)i * size);
        if (abs(have - want) > 60) fail_msg("picture %d: %d, not %d", (int)i, have, want);
    }
    free(pictures);
}

static void pictures_at_their_own_time_stay(void **state)
{
    (void)state;
    const struct frames_shape in = shape_of(96, 64, 8), out = at_rate(&in, 16, 1);
    const size_t size = frames_size_bytes(&out);
    uint8_t *pictures = xmalloc(size * (size_t)out.count);
    (void)run(&in, &out, spot, pictures);
    int worst = 0;
    for (int64_t i = 0; i < in.count; i++) {
        uint8_t *rgb = spot(&in, i);
        for (size_t k = 0; k < size; k++) {
            int off = abs(rgb[k] - pictures[(size_t)(2 * i) * size + k]);
            if (off > worst) worst = off;
        }
        free(rgb);
    }
    if (worst > 2) fail_msg("%d/255 off", worst);
    free(pictures);
}

static uint8_t flat_colour[3];

static uint8_t *flat(const struct frames_shape *shape, int64_t index)
{
    uint8_t *rgb = xmalloc(frames_size_bytes(shape));
    (void)index;
    for (size_t i = 0; i < frames_size_bytes(shape); i++)
        rgb[i] = flat_colour[i % 3];
    return rgb;
}

static void scaling_keeps_colours(void **state)
{
    static const uint8_t colours[][3] = {
        {220, 40, 40}, {12, 12, 16}, {244, 244, 240}, {50, 90, 230}};
    (void)state;
    const struct frames_shape in = shape_of(33, 31, 2);
    struct frames_shape out = in;
    out.width = 128;
    out.height = 96;
    const size_t size = frames_size_bytes(&out);
    uint8_t *pictures = xmalloc(size * 2);
    for (size_t c = 0; c < 4; c++) {
        memcpy(flat_colour, colours[c], 3);
        (void)run(&in, &out, flat, pictures);
        for (size_t i = 0; i < size * 2; i++)
            if (abs(pictures[i] - flat_colour[i % 3]) > 1)
                fail_msg("%d, not %d", pictures[i], flat_colour[i % 3]);
    }
    free(pictures);
}

static void every_processor_gives_the_same_bits(void **state)
{
    (void)state;
    const struct frames_shape in = shape_of(72, 48, 9);
    struct frames_shape out = at_rate(&in, 30, 1);
    out.width = 160;
    out.height = 90;
    const struct digest here = run(&in, &out, moving_picture, NULL);
    av_force_cpu_flags(0);
    const struct digest plain = run(&in, &out, moving_picture, NULL);
    av_force_cpu_flags(-1);
    assert_true(digest_equal(&here, &plain));
}

static void tiny_pictures_have_no_motion(void **state)
{
    (void)state;
    struct error err;
    const struct frames_shape in = shape_of(RETIME_SIDE_MIN - 1, 64, 2), out = at_rate(&in, 24, 1);
    assert_null(retime_create(&in, &out, see, NULL, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact),
        cmocka_unit_test(motion_goes_on_between_pictures),
        cmocka_unit_test(pictures_at_their_own_time_stay),
        cmocka_unit_test(scaling_keeps_colours),
        cmocka_unit_test(every_processor_gives_the_same_bits),
        cmocka_unit_test(tiny_pictures_have_no_motion),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

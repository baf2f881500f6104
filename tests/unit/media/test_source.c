/* Files from people: which are taken, what is cut out of them, which picture a frame shows. */
#include "unit/media/media_test.h"

#include <libavutil/frame.h>
#include <libavutil/pixfmt.h>
#include <unistd.h>

#include "media/fit.h"
#include "media/source.h"

/* ---- kinds ---- */

static const char *demuxer_of(const char *head, size_t size)
{
    const char *name = source_demuxer((const uint8_t *)head, size);
    return name != NULL ? name : "";
}

static void test_kinds_are_read_off_the_first_bytes(void **state)
{
    (void)state;
    assert_string_equal(demuxer_of("\x89PNG\r\n\x1a\n", 8), "png_pipe");
    assert_string_equal(demuxer_of("\x89PNG\r\n\x1a", 7), "");
    assert_string_equal(demuxer_of("\xff\xd8\xff\xe0", 4), "jpeg_pipe");
    assert_string_equal(demuxer_of("GIF89a", 6), "gif");
    assert_string_equal(demuxer_of("RIFF....WEBP", 12), "webp_pipe");
    assert_string_equal(demuxer_of("RIFF....AVI ", 12), "avi");
    assert_string_equal(demuxer_of("RIFX....AVI ", 12), "");
    assert_string_equal(demuxer_of("\x1a\x45\xdf\xa3", 4), "matroska");
    assert_string_equal(demuxer_of("\0\0\0\x20"
                                   "ftypisom",
                                   12),
                        "mov");
    assert_string_equal(demuxer_of("#EXTM3U\nfile:///etc/passwd", 26), "");
    assert_string_equal(demuxer_of("ffconcat version 1.0", 20), "");
    assert_string_equal(demuxer_of("", 0), "");
}

static void test_what_is_no_picture_is_refused(void **state)
{
    char *path = in_folder(*state, "text.mp4");
    struct error err = {0};
    write_bytes(path, "these are words", 15);
    assert_null(source_open(path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    write_bytes(path, "", 0);
    assert_null(source_open(path, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(unlink(path), 0);
    assert_null(source_open(path, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(path);
}

static void assert_damaged(const char *path)
{
    struct error err = {0};
    bool end = false;
    struct source *s = source_open(path, &err);
    while (s != NULL && source_next(s, &end, &err) != NULL) {
    }
    assert_false(end);
    assert_int_equal(err.code, ERROR_INVALID);
    source_destroy(s);
}

static void test_damage_is_found(void **state)
{
    static const char *const names[] = {"one.png", "one.webp", "two.mp4"};
    char *path = in_folder(*state, "damaged");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *from = xasprintf("%s/tests/fuzz/corpus/fuzz_source/%s", TEST_SOURCE, names[i]);
        struct buf bytes = read_bytes(from);
        write_bytes(path, bytes.data, bytes.size / 2);
        assert_damaged(path);
        buf_finish(&bytes);
        free(from);
    }
    free(path);
}

/* ---- what is cut out ---- */

static void assert_box(struct fit_box box, int left, int top, int width, int height)
{
    assert_int_equal(box.left, left);
    assert_int_equal(box.top, top);
    assert_int_equal(box.width, width);
    assert_int_equal(box.height, height);
}

static void test_the_largest_centred_box_is_cut(void **state)
{
    (void)state;
    assert_box(fit_crop(64, 64, 64, 64), 0, 0, 64, 64);
    assert_box(fit_crop(128, 64, 64, 64), 32, 0, 64, 64);
    assert_box(fit_crop(64, 128, 32, 32), 0, 32, 64, 64);
    assert_box(fit_crop(101, 61, 64, 64), 20, 0, 61, 61);
    assert_box(fit_crop(60, 101, 64, 64), 0, 20, 60, 60); /* of 41 lines 20 above, 21 below */
    assert_box(fit_crop(1920, 1080, 256, 256), 420, 0, 1080, 1080);
    assert_box(fit_crop(1080, 1920, 320, 256), 0, 528, 1080, 864);
    assert_box(fit_crop(8, 8192, 4096, 8), 0, 4095, 8, 1);
    assert_box(fit_crop(16384, 8, 8, 16384), 8191, 0, 1, 8);
}

/* An RGBA picture whose column x has red x, row y green y. */
static AVFrame *ramp(int width, int height, uint8_t alpha)
{
    AVFrame *p = av_frame_alloc();
    assert_non_null(p);
    p->format = AV_PIX_FMT_RGBA;
    p->width = width;
    p->height = height;
    assert_int_equal(av_frame_get_buffer(p, 0), 0);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint8_t *at = p->data[0] + y * p->linesize[0] + x * 4;
            at[0] = (uint8_t)x;
            at[1] = (uint8_t)y;
            at[2] = 200;
            at[3] = alpha;
        }
    }
    return p;
}

static void fit_one(const AVFrame *p, int width, int height, bool gray, uint8_t *out)
{
    struct error err = {0};
    struct fit *f = fit_create(width, height, gray);
    must(fit_picture(f, p, out, &err), &err);
    fit_destroy(f);
}

/* No scaling: every pixel of the box is there, untouched, and no other. */
static void test_a_crop_is_exact(void **state)
{
    (void)state;
    uint8_t out[16 * 16 * 3];
    AVFrame *p = ramp(27, 16, 255); /* 11 columns too many: 5 on the left */
    fit_one(p, 16, 16, false, out);
    for (int y = 0; y < 16; y++) {
        for (int x = 0; x < 16; x++) {
            const uint8_t *at = out + (y * 16 + x) * 3;
            assert_int_equal(at[0], x + 5);
            assert_int_equal(at[1], y);
            assert_int_equal(at[2], 200);
        }
    }
    av_frame_free(&p);
}

static void test_transparency_is_black(void **state)
{
    (void)state;
    uint8_t out[16 * 16 * 3];
    AVFrame *p = ramp(16, 16, 0);
    fit_one(p, 16, 16, false, out);
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0);
    av_frame_free(&p);
    p = ramp(16, 16, 51); /* a fifth */
    fit_one(p, 16, 16, false, out);
    assert_int_equal(out[2], 40);
    av_frame_free(&p);
}

static void fill_gray(AVFrame *p, uint8_t value)
{
    for (int y = 0; y < p->height; y++)
        memset(p->data[0] + y * p->linesize[0], value, (size_t)p->width * 4);
    for (int y = 0; y < p->height; y++)
        for (int x = 0; x < p->width; x++)
            p->data[0][y * p->linesize[0] + x * 4 + 3] = 255;
}

/* One colour stays that colour, at any scale; white is 255 and black 0 in a mask. */
static void test_scaling_keeps_flat_colours(void **state)
{
    (void)state;
    static const uint8_t values[] = {0, 1, 77, 128, 254, 255};
    uint8_t out[40 * 24 * 3];
    AVFrame *p = ramp(101, 61, 255);
    for (size_t i = 0; i < sizeof(values); i++) {
        fill_gray(p, values[i]);
        fit_one(p, 40, 24, false, out);
        for (size_t k = 0; k < sizeof(out); k++)
            assert_int_equal(out[k], values[i]);
        fit_one(p, 40, 24, true, out);
        for (size_t k = 0; k < 40 * 24; k++)
            assert_int_equal(out[k], values[i]);
    }
    av_frame_free(&p);
}

/* Halves of two colours keep their sides when they are scaled. */
static void test_scaling_keeps_places(void **state)
{
    (void)state;
    uint8_t out[32 * 32];
    AVFrame *p = ramp(64, 64, 255);
    fill_gray(p, 0);
    for (int y = 0; y < 64; y++)
        memset(p->data[0] + y * p->linesize[0] + 32 * 4, 255, 32 * 4);
    fit_one(p, 32, 32, true, out);
    for (int y = 0; y < 32; y++) {
        assert_int_equal(out[y * 32], 0);
        assert_true(out[y * 32 + 13] < 16);
        assert_true(out[y * 32 + 18] > 239);
        assert_int_equal(out[y * 32 + 31], 255);
    }
    av_frame_free(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds_are_read_off_the_first_bytes),
        cmocka_unit_test(test_what_is_no_picture_is_refused),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_the_largest_centred_box_is_cut),
        cmocka_unit_test(test_a_crop_is_exact),
        cmocka_unit_test(test_transparency_is_black),
        cmocka_unit_test(test_scaling_keeps_flat_colours),
        cmocka_unit_test(test_scaling_keeps_places),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

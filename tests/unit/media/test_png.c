/* Pictures that are published: written, read back by libav alone, and their texts. */
#include "unit/media/media_test.h"

#include <libavcodec/avcodec.h>
#include <sys/stat.h>

#include "media/manifest.h"
#include "media/png_check.h"
#include "media/png_chunks.h"
#include "media/sheet.h"
#include "media/stitch.h"
#include "media/strip.h"

#define COMMENT "{\"recipe\":{\"prompt\":\"雪の中の狐 \\\"x\\\"\",\"seed\":42}}"
#define TITLE "雪の中の狐"

static struct stitch_result publish(const char *folder, const char *png,
                                    const struct frames_shape *shape,
                                    struct segment_result *written)
{
    struct error err;
    struct stitch_result result;
    char *segment = in_folder(folder, "picture.mkv");
    write_segment(segment, shape, 3, written);
    const char *const segments[] = {segment};
    const struct stitch_job job = {.out_path = png,
                                   .shape = *shape,
                                   .tags = {.title = TITLE, .comment = COMMENT},
                                   .segments = segments,
                                   .segment_count = 1};
    must(stitch_run(&job, &result, &err), &err);
    free(segment);
    return result;
}

static struct bytes view(const struct buf *b)
{
    return (struct bytes){b->data, b->size};
}

static void pixels_and_texts_come_back(void **state)
{
    static const int sizes[][2] = {{64, 48}, {33, 7}, {2, 2}, {200, 150}};
    char *png = in_folder(*state, "a.png");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const struct frames_shape shape = shape_of(sizes[i][0], sizes[i][1], 1);
        struct segment_result written;
        struct png_info info;
        struct error err;
        const struct stitch_result made = publish(*state, png, &shape, &written);
        must(png_check_read(png, &info, &err), &err);
        assert_int_equal(info.width, shape.width);
        assert_int_equal(info.height, shape.height);
        assert_int_equal(made.width, shape.width); /* odd sizes are not padded */
        assert_string_equal(info.title, TITLE);
        assert_string_equal(info.comment, COMMENT);
        uint8_t *rgb = moving_picture(&shape, 3);
        for (int y = 0; y < shape.height; y++)
            assert_memory_equal(info.picture->data[0] + y * info.picture->linesize[0],
                                rgb + y * shape.width * 3, (size_t)shape.width * 3);
        const struct digest pixels = png_check_pixels(&info);
        assert_true(digest_equal(&pixels, &written.frames_sha256));
        assert_true(digest_equal(&info.sha256, &made.sha256));
        assert_true(info.size_bytes == made.size_bytes);
        free(rgb);
        png_info_finish(&info);
    }
    free(png);
}

static void bytes_do_not_depend_on_the_day(void **state)
{
    const struct frames_shape shape = shape_of(40, 30, 1);
    struct segment_result written;
    char *one = in_folder(*state, "one.png"), *two = in_folder(*state, "another.png");
    const struct stitch_result a = publish(*state, one, &shape, &written);
    const struct stitch_result b = publish(*state, two, &shape, &written);
    assert_true(digest_equal(&a.sha256, &b.sha256));
    free(one);
    free(two);
}

static void only_one_frame_fits(void **state)
{
    const struct frames_shape shape = shape_of(40, 30, 2);
    struct segment_result written;
    struct stitch_result result;
    struct error err = {0};
    char *segment = in_folder(*state, "two.mkv"), *png = in_folder(*state, "two.png");
    char *other = in_folder(*state, "two.xyz");
    write_segment(segment, &shape, 0, &written);
    const char *const segments[] = {segment};
    struct stitch_job job = {.out_path = png,
                             .shape = shape,
                             .tags = {.title = "", .comment = ""},
                             .segments = segments,
                             .segment_count = 1};
    assert_false(stitch_run(&job, &result, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(path_exists(png));
    job.out_path = other;
    assert_false(stitch_run(&job, &result, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    free(segment);
    free(png);
    free(other);
}

/* Every truncation and every changed byte of a small file: never accepted as the same picture. */
static void damage_is_found(void **state)
{
    const struct frames_shape shape = shape_of(6, 4, 1);
    struct segment_result written;
    struct png_info info;
    char *png = in_folder(*state, "small.png"), *bad = in_folder(*state, "bad.png");
    (void)publish(*state, png, &shape, &written);
    struct buf bytes = read_bytes(png);
    for (size_t i = 0; i < bytes.size; i++) {
        struct error err = {0};
        assert_false(png_chunks_check((struct bytes){bytes.data, i}, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        bytes.data[i] ^= 0x20;
        write_bytes(bad, bytes.data, bytes.size);
        if (png_check_read(bad, &info, &err)) fail_msg("a change of byte %zu was not seen", i);
        bytes.data[i] ^= 0x20;
    }
    struct error err = {0};
    assert_true(png_chunks_check(view(&bytes), &err));
    buf_append_char(&bytes, 'x');
    assert_false(png_chunks_check(view(&bytes), &err));
    buf_finish(&bytes);
    free(png);
    free(bad);
}

static void texts_are_checked(void **state)
{
    const struct frames_shape shape = shape_of(6, 4, 1);
    struct segment_result written;
    struct error err = {0};
    struct buf out = BUF_INIT;
    char *png = in_folder(*state, "texts.png");
    (void)publish(*state, png, &shape, &written);
    struct buf bytes = read_bytes(png);
    const struct bytes nul = {(const uint8_t *)"a\0b", 3}, latin = {(const uint8_t *)"\xe9", 1};
    assert_false(png_chunks_add_text(view(&bytes), "Comment", nul, &out, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_false(png_chunks_add_text(view(&bytes), "Comment", latin, &out, &err));
    assert_false(png_chunks_add_text(view(&bytes), "", latin, &out, &err));
    assert_null(png_chunks_find_text(view(&bytes), "Author").data);
    assert_int_equal(out.size, 0);
    const struct bytes none = {NULL, 0};
    must(png_chunks_add_text(view(&bytes), "Author", none, &out, &err), &err);
    assert_non_null(png_chunks_find_text(view(&out), "Author").data);
    assert_int_equal(png_chunks_find_text(view(&out), "Author").size, 0);
    buf_finish(&out);
    buf_finish(&bytes);
    free(png);
}

static void strips_and_sheets_show_pictures(void **state)
{
    const struct frames_shape shape = shape_of(96, 64, 1);
    struct segment_result written;
    struct error err = {0};
    struct strip measured, loaded;
    char *png = in_folder(*state, "shown.png"), *sheet = in_folder(*state, "sheet.png");
    char *list = in_folder(*state, "list.json");
    (void)publish(*state, png, &shape, &written);
    must(strip_measure(png, 8, 96, 96, &measured, &err), &err);
    must(strip_load(png, 8, 96, 96, &loaded, &err), &err);
    assert_int_equal(measured.width, 96);
    assert_int_equal(measured.height, 64);
    assert_int_equal(loaded.count, 1);
    uint8_t *rgb = moving_picture(&shape, 3);
    for (int p = 0; p < 96 * 64; p++)
        for (int c = 0; c < 3; c++)
            assert_int_equal(loaded.pictures[0][p * 4 + 2 - c], rgb[p * 3 + c]);
    strip_finish(&loaded);
    char *json = xasprintf("{\"clips\": [{\"path\": \"%s\", \"prompt\": \"p\"}]}", png);
    write_bytes(list, json, strlen(json));
    struct manifest manifest;
    struct sheet_result result;
    must(manifest_load(&manifest, list, &err), &err);
    must(sheet_write(&manifest, sheet, &result, &err), &err);
    assert_int_equal(result.rows, 1);
    assert_int_equal(result.unreadable, 0);
    manifest_finish(&manifest);
    free(rgb);
    free(json);
    free(png);
    free(sheet);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pixels_and_texts_come_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(bytes_do_not_depend_on_the_day, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_one_frame_fits, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(damage_is_found, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(texts_are_checked, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(strips_and_sheets_show_pictures, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* zoe-media frames and inspect, called as functions: which picture of the source each frame of the
 * clip shows, and what is refused. */
#include "unit/media/media_test.h"

#include <jansson.h>

#include "media/media_commands.h"
#include "media/source.h"

#define SIDE 16
#define PICTURE_BYTES ((size_t)SIDE * SIDE * 3)

/* The words of `line` hold no spaces. */
static bool call_command(media_command_run run, const char *line, json_t **reply, struct error *err)
{
    char *words = xstrdup(line), *argv[24];
    int argc = 0;
    for (char *p = strtok(words, " "); p != NULL; p = strtok(NULL, " "))
        argv[argc++] = p;
    struct media_call call = {
        .name = "x", .words = "FILE", .argc = argc, .argv = argv, .reply = json_object()};
    bool ok = run(&call, err);
    if (reply != NULL) *reply = json_incref(call.reply);
    json_decref(call.reply);
    free(words);
    return ok;
}

static struct buf frames_of(const char *folder, const char *source, const char *options)
{
    struct error err = {0};
    char *out = in_folder(folder, "out.raw");
    char *line = xasprintf("%s --out %s %s", source, out, options);
    must(call_command(media_frames_run, line, NULL, &err), &err);
    struct buf bytes = read_bytes(out);
    free(line);
    free(out);
    return bytes;
}

/* Frame i of the clip is picture `wanted[i]` of the source, bit for bit. */
static void assert_pictures(const struct buf *raw, const int64_t *wanted, size_t count)
{
    const struct frames_shape shape = shape_of(SIDE, SIDE, 1);
    assert_int_equal(raw->size, count * PICTURE_BYTES);
    for (size_t i = 0; i < count; i++) {
        uint8_t *picture = moving_picture(&shape, wanted[i]);
        assert_memory_equal(raw->data + i * PICTURE_BYTES, picture, PICTURE_BYTES);
        free(picture);
    }
}

static char *make_source(const char *folder, int64_t count)
{
    const struct frames_shape shape = shape_of(SIDE, SIDE, count); /* 8 a second */
    struct segment_result result;
    char *path = in_folder(folder, "source.mkv");
    write_segment(path, &shape, 0, &result);
    return path;
}

static void a_frame_shows_the_picture_of_its_time(void **state)
{
    static const int64_t same[] = {0, 1, 2, 3, 4};
    static const int64_t half[] = {0, 2, 4, 4, 4, 4}; /* the last one is held */
    static const int64_t twice[] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4};
    static const int64_t more[] = {0, 0, 0, 1, 1, 2, 2, 2, 3}; /* at 0, 0.4, 0.8, 1.2 .. */
    char *source = make_source(*state, 5);
    struct buf raw = frames_of(*state, source, "--size 16x16 --frames 5 --fps 8");
    assert_pictures(&raw, same, 5);
    buf_finish(&raw);
    raw = frames_of(*state, source, "--size 16x16 --frames 6 --fps 4");
    assert_pictures(&raw, half, 6);
    buf_finish(&raw);
    raw = frames_of(*state, source, "--size 16x16 --frames 11 --fps 16");
    assert_pictures(&raw, twice, 11);
    buf_finish(&raw);
    raw = frames_of(*state, source, "--size 16x16 --frames 9 --fps 20");
    assert_pictures(&raw, more, 9);
    buf_finish(&raw);
    raw = frames_of(*state, source, "--size 16x16 --frames 1");
    assert_pictures(&raw, same, 1);
    buf_finish(&raw);
    free(source);
}

/* Matroska keeps milliseconds: 0, 33, 67, 100. */
static void rounded_times_do_not_matter(void **state)
{
    static const int64_t same[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
    struct frames_shape shape = {SIDE, SIDE, {30, 1}, 12};
    struct segment_result result;
    char *path = in_folder(*state, "thirty.mkv");
    write_segment(path, &shape, 0, &result);
    struct buf raw = frames_of(*state, path, "--size 16x16 --frames 12 --fps 30");
    assert_pictures(&raw, same, 12);
    buf_finish(&raw);
    free(path);
}

static void a_mask_is_one_byte_a_pixel(void **state)
{
    char *source = make_source(*state, 2);
    const struct frames_shape shape = shape_of(SIDE, SIDE, 1);
    struct buf raw = frames_of(*state, source, "--size 16x16 --frames 3 --gray");
    assert_int_equal(raw.size, 3 * SIDE * SIDE);
    uint8_t *picture = moving_picture(&shape, 1);
    for (size_t i = 0; i < (size_t)SIDE * SIDE; i++) {
        const uint8_t *p = picture + i * 3;
        assert_int_equal(raw.data[2 * SIDE * SIDE + i],
                         (77 * p[0] + 150 * p[1] + 29 * p[2] + 128) / 256);
    }
    free(picture);
    buf_finish(&raw);
    free(source);
}

static void the_same_file_gives_the_same_bytes(void **state)
{
    char *source = make_source(*state, 3);
    struct buf a = frames_of(*state, source, "--size 40x24 --frames 4");
    struct buf b = frames_of(*state, source, "--size 40x24 --frames 4");
    assert_int_equal(a.size, 4 * 40 * 24 * 3);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.data, b.data, a.size);
    buf_finish(&a);
    buf_finish(&b);
    free(source);
}

static void inspect_counts(void **state)
{
    struct error err = {0};
    json_t *reply = NULL;
    char *source = make_source(*state, 9);
    must(call_command(media_inspect_run, source, &reply, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(reply, "frames")), 9);
    assert_int_equal(json_integer_value(json_object_get(reply, "width")), SIDE);
    assert_true(json_real_value(json_object_get(reply, "seconds")) == 1.0);
    json_decref(reply);
    free(source);
}

/* One picture every `seconds`, `count` times. */
static void write_slow(const char *path, int count, int seconds)
{
    struct error err = {0};
    struct frames_shape shape = {SIDE, SIDE, {1, seconds}, count};
    uint8_t *rgb = moving_picture(&shape, 0);
    struct segment_writer *w = segment_writer_open(path, &shape, &err);
    must(w != NULL, &err);
    for (int i = 0; i < count; i++)
        must(segment_writer_push(w, rgb, &err), &err);
    must(segment_writer_finish(w, &(struct segment_result){0}, &err), &err);
    segment_writer_destroy(w);
    free(rgb);
}

static void a_long_video_is_refused(void **state)
{
    struct error err = {0};
    char *path = in_folder(*state, "slow.mkv");
    write_slow(path, 3, (int)SOURCE_SECONDS_MAX / 2); /* the last one at the limit */
    must(call_command(media_inspect_run, path, NULL, &err), &err);
    write_slow(path, 3, (int)SOURCE_SECONDS_MAX / 2 + 1);
    assert_false(call_command(media_inspect_run, path, NULL, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "longer than 600 s"));
    free(path);
}

static void many_pictures_are_refused(void **state)
{
    struct error err = {0};
    char *path = in_folder(*state, "many.mkv");
    struct frames_shape shape = {SIDE, SIDE, {60, 1}, SOURCE_FRAMES_MAX};
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    must(call_command(media_inspect_run, path, NULL, &err), &err);
    shape.count++;
    write_segment(path, &shape, 0, &result);
    assert_false(call_command(media_inspect_run, path, NULL, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_non_null(strstr(err.message, "more than 18000 pictures"));
    free(path);
}

static void misuse_is_told(void **state)
{
    struct error err = {0};
    (void)state;
    assert_false(call_command(media_frames_run, "x --size 16 --frames 1 --out y", NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_false(call_command(media_frames_run, "x --size 16x16 --frames 0 --out y", NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_false(
        call_command(media_frames_run, "x --size 16x16 --frames 1 --gray=1 --out y", NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
    assert_false(call_command(media_inspect_run, "", NULL, &err));
    assert_int_equal(err.code, ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_shows_the_picture_of_its_time),
        cmocka_unit_test(rounded_times_do_not_matter),
        cmocka_unit_test(a_mask_is_one_byte_a_pixel),
        cmocka_unit_test(the_same_file_gives_the_same_bytes),
        cmocka_unit_test(inspect_counts),
        cmocka_unit_test(a_long_video_is_refused),
        cmocka_unit_test(many_pictures_are_refused),
        cmocka_unit_test(misuse_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

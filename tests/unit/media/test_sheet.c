/* Contact sheets, opened again as pictures. */
#include "unit/media/media_test.h"

#include <libavcodec/avcodec.h>

#include "media/sheet.h"
#include "media/stitch.h"
#include "media/strip.h"

/* A PNG decoded to 4 bytes a pixel. */
static AVFrame *open_png(const char *path)
{
    struct buf bytes = read_bytes(path);
    AVCodecContext *codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_PNG));
    assert_true(avcodec_open2(codec, NULL, NULL) >= 0);
    AVPacket *packet = av_packet_alloc();
    assert_true(av_new_packet(packet, (int)bytes.size) >= 0);
    memcpy(packet->data, bytes.data, bytes.size);
    AVFrame *frame = av_frame_alloc();
    assert_true(avcodec_send_packet(codec, packet) >= 0);
    assert_true(avcodec_receive_frame(codec, frame) >= 0);
    assert_int_equal(frame->format, AV_PIX_FMT_RGB24);
    av_packet_free(&packet);
    avcodec_free_context(&codec);
    buf_finish(&bytes);
    return frame;
}

static const uint8_t *pixel(const AVFrame *frame, int x, int y)
{
    return frame->data[0] + y * frame->linesize[0] + x * 3;
}

/* A clip whose i-th frame is flat gray of 20 + 10 i. */
static void write_clip(const char *folder, const char *mp4, int width, int height, int64_t count)
{
    char *segment = in_folder(folder, "gray.mkv");
    const struct frames_shape shape = shape_of(width, height, count);
    struct error err;
    struct segment_result written;
    struct segment_writer *w = segment_writer_open(segment, &shape, &err);
    must(w != NULL, &err);
    uint8_t *rgb = xmalloc(frames_size_bytes(&shape));
    for (int i = 0; i < count; i++) {
        memset(rgb, 20 + 10 * i, frames_size_bytes(&shape));
        must(segment_writer_push(w, rgb, &err), &err);
    }
    must(segment_writer_finish(w, &written, &err), &err);
    segment_writer_destroy(w);
    free(rgb);
    const char *const segments[] = {segment};
    const struct stitch_job job = {.out_path = mp4,
                                   .shape = shape,
                                   .tags = {"", ""},
                                   .segments = segments,
                                   .segment_count = 1};
    struct stitch_result result;
    must(stitch_run(&job, &result, &err), &err);
    free(segment);
}

static struct sheet_result write_sheet(const char *folder, const char *json, const char *png)
{
    char *path = in_folder(folder, "sheet.json");
    write_bytes(path, json, strlen(json));
    struct manifest manifest;
    struct error err;
    must(manifest_load(&manifest, path, &err), &err);
    struct sheet_result result;
    must(sheet_write(&manifest, png, &result, &err), &err);
    manifest_finish(&manifest);
    free(path);
    return result;
}

static void near(int have, int want)
{
    if (abs(have - want) > 3) fail_msg("%d is not near %d", have, want);
}

static void strips_are_even_and_include_both_ends(void **state)
{
    char *mp4 = in_folder(*state, "strip.mp4");
    write_clip(*state, mp4, 64, 64, 22);
    struct strip strip;
    struct error err;
    must(strip_load(mp4, 8, 128, 128, &strip, &err), &err);
    assert_int_equal(strip.count, 8);
    assert_int_equal(strip.width, 128);
    assert_int_equal(strip.height, 128);
    for (int i = 0; i < 8; i++) {
        near(strip.pictures[i][0], 20 + 10 * (3 * i)); /* frames 0, 3, ... 21 */
        near(strip.pictures[i][128 * 128 * 4 - 2], 20 + 10 * (3 * i));
    }
    strip_finish(&strip);
    free(mp4);
}

static void strips_fit_their_box(void **state)
{
    static const struct {
        int width, height, box_width, box_height, want_width, want_height;
    } rows[] = {
        {64, 64, 128, 128, 128, 128},   {32, 32, 128, 128, 128, 128},
        {48, 32, 128, 128, 96, 64},     {96, 96, 128, 128, 96, 96},
        {80, 80, 128, 128, 128, 128},   {256, 128, 128, 128, 128, 64},
        {128, 256, 128, 128, 64, 128},  {320, 180, 128, 128, 128, 72},
        {128, 128, 128, 128, 128, 128},
    };
    char *mp4 = in_folder(*state, "box.mp4");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        write_clip(*state, mp4, rows[i].width, rows[i].height, 2);
        struct strip measured, loaded;
        struct error err;
        must(strip_measure(mp4, 8, rows[i].box_width, rows[i].box_height, &measured, &err), &err);
        must(strip_load(mp4, 8, rows[i].box_width, rows[i].box_height, &loaded, &err), &err);
        assert_int_equal(measured.width, rows[i].want_width);
        assert_int_equal(measured.height, rows[i].want_height);
        assert_int_equal(loaded.width, rows[i].want_width);
        assert_int_equal(loaded.count, 2);
        near(loaded.pictures[0][0], 20);
        near(loaded.pictures[1][0], 30);
        strip_finish(&loaded);
    }
    free(mp4);
}

static void sheet_shows_each_clip(void **state)
{
    char *mp4 = in_folder(*state, "clip.mp4");
    char *png = in_folder(*state, "sheet.png");
    write_clip(*state, mp4, 64, 64, 16);
    char *json = xasprintf("{\"title\": \"T\", \"clips\": [{\"path\": \"%s\", \"prompt\": \"p\","
                           "\"seed\": 1}, {\"path\": \"%s\", \"prompt\": \"p\", \"seed\": 2}]}",
                           mp4, mp4);
    const struct sheet_result result = write_sheet(*state, json, png);
    assert_int_equal(result.rows, 2);
    assert_int_equal(result.unreadable, 0);
    AVFrame *frame = open_png(png);
    assert_int_equal(frame->width, result.width);
    assert_int_equal(frame->height, result.height);
    /* The last picture ends at the right margin, the second row at the lower one. */
    int x = frame->width - 44 - 64;
    near(pixel(frame, x, frame->height - 44 - 64)[0], 20 + 150);
    near(pixel(frame, x, frame->height - 44 - 64 - 150)[0], 20 + 150);
    near(pixel(frame, x - 7 * 134, frame->height - 44 - 64)[0], 20);
    av_frame_free(&frame);
    free(json);
    free(mp4);
    free(png);
}

/* Text leaves bright pixels on the dark ground. */
static int bright_pixels(const AVFrame *frame, int x0, int y0, int x1, int y1)
{
    int count = 0;
    for (int y = y0; y < y1; y++) {
        for (int x = x0; x < x1; x++) {
            if (pixel(frame, x, y)[1] > 150) count++;
        }
    }
    return count;
}

static void labels_are_drawn(void **state)
{
    char *png = in_folder(*state, "labels.png");
    (void)write_sheet(*state, "{\"clips\": [{}]}", png);
    AVFrame *bare = open_png(png);
    int few = bright_pixels(bare, 40, 80, 300, bare->height);
    av_frame_free(&bare);
    (void)write_sheet(
        *state, "{\"clips\": [{\"prompt\": \"a red circle moving right\", \"seed\": 12345}]}", png);
    AVFrame *labelled = open_png(png);
    int many = bright_pixels(labelled, 40, 80, 300, labelled->height);
    if (many < few + 300) fail_msg("%d bright pixels, %d without a label", many, few);
    av_frame_free(&labelled);
    free(png);
}

static void unreadable_clips_get_a_row(void **state)
{
    char *broken = in_folder(*state, "broken.mp4");
    char *png = in_folder(*state, "missing.png");
    write_bytes(broken, "not a video", 11);
    char *json = xasprintf(
        "{\"clips\": [{\"path\": \"%s\"}, {\"path\": \"/nowhere/x.mp4\", \"prompt\": \"x\"},"
        "{\"state\": \"failed\", \"note\": \"\\u96ea \\ud83e\\udd8a \\u0627 \\n <b>&\"}]}",
        broken);
    const struct sheet_result result = write_sheet(*state, json, png);
    assert_int_equal(result.rows, 3);
    assert_int_equal(result.unreadable, 3);
    free(json);
    free(broken);
    free(png);
}

static void rows_have_a_limit(void **state)
{
    struct buf json = BUF_INIT;
    buf_append_text(&json, "{\"clips\": [{}");
    for (int i = 1; i < SHEET_ROWS + 5; i++) {
        buf_append_text(&json, ", {}");
    }
    buf_append_text(&json, "]}");
    char *png = in_folder(*state, "many.png");
    assert_int_equal(write_sheet(*state, buf_text(&json), png).rows, SHEET_ROWS);
    buf_clear(&json);
    buf_append_text(&json, "{\"limit\": 90000, \"clips\": [{}");
    for (int i = 1; i < 400; i++) {
        buf_append_text(&json, ", {}");
    }
    buf_append_text(&json, "]}");
    const struct sheet_result result = write_sheet(*state, buf_text(&json), png);
    assert_in_range(result.rows, 200, 399); /* what a PNG of cairo's can hold */
    assert_in_range(result.height, 20000, 32000);
    buf_finish(&json);
    free(png);
}

static void columns_can_be_chosen(void **state)
{
    char *mp4 = in_folder(*state, "columns.mp4");
    char *png = in_folder(*state, "columns.png");
    write_clip(*state, mp4, 64, 64, 16);
    static const int columns[] = {1, 4, 16, 32};
    for (size_t i = 0; i < 4; i++) {
        char *json =
            xasprintf("{\"columns\": %d, \"clips\": [{\"path\": \"%s\"}]}", columns[i], mp4);
        const struct sheet_result result = write_sheet(*state, json, png);
        assert_int_equal(result.unreadable, 0);
        assert_in_range(result.width, 400, 1500);
        free(json);
    }
    free(mp4);
    free(png);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_are_even_and_include_both_ends),
        cmocka_unit_test(strips_fit_their_box),
        cmocka_unit_test(sheet_shows_each_clip),
        cmocka_unit_test(labels_are_drawn),
        cmocka_unit_test(unreadable_clips_get_a_row),
        cmocka_unit_test(rows_have_a_limit),
        cmocka_unit_test(columns_can_be_chosen),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

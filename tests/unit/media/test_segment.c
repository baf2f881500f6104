/* Segment files: what is written comes back bit for bit, and nothing else is believed. */
#define _GNU_SOURCE /* memmem */
#include "unit/media/media_test.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/crc.h>
#include <unistd.h>

#include "media/ffv1.h"
#include "media/matroska.h"
#include "media/segment_reader.h"

/* Reads all frames; with `want_first` >= 0 compares them with moving_picture(want_first + i). */
static bool read_segment(const char *path, const struct frames_shape *shape, int64_t want_first,
                         struct error *err)
{
    struct segment_reader *r = segment_reader_open(path, shape, err);
    if (r == NULL) return false;
    uint8_t *rgb = xmalloc(frames_size_bytes(shape));
    bool end = false, ok = true;
    for (int64_t i = 0; ok && !end; i++) {
        ok = segment_reader_next(r, rgb, &end, err);
        if (!ok || end || want_first < 0) continue;
        uint8_t *want = moving_picture(shape, want_first + i);
        assert_memory_equal(rgb, want, frames_size_bytes(shape));
        free(want);
    }
    free(rgb);
    segment_reader_destroy(r);
    return ok;
}

static void rejected(const char *path, const struct frames_shape *shape, const char *words)
{
    struct error err = {.code = ERROR_NONE};
    assert_false(read_segment(path, shape, -1, &err));
    if (err.code != ERROR_INVALID) fail_msg("%s: %s", error_name(err.code), err.message);
    if (strstr(err.message, words) == NULL) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
}

static void frames_come_back_bit_for_bit(void **state)
{
    static const struct frames_shape shapes[] = {
        {64, 64, {8, 1}, 16},  {2, 2, {8, 1}, 1},    {2, 3, {8, 1}, 5},
        {17, 33, {25, 2}, 3},  {16, 16, {24, 1}, 2}, {100, 31, {30000, 1001}, 97},
        {320, 256, {1, 2}, 2},
    };
    char *path = in_folder(*state, "roundtrip.mkv");
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct segment_result result;
        struct error err;
        write_segment(path, &shapes[i], 5, &result);
        assert_int_equal(result.frames, shapes[i].count);
        must(read_segment(path, &shapes[i], 5, &err), &err);
        struct frames_shape any = shapes[i];
        any.count = FRAMES_COUNT_ANY;
        must(read_segment(path, &any, 5, &err), &err);
    }
    free(path);
}

static void result_describes_the_file(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 4);
    char *path = in_folder(*state, "described.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct buf bytes = read_bytes(path);
    const struct digest file = digest_of(bytes.data, bytes.size);
    assert_true(digest_equal(&file, &result.sha256));
    assert_int_equal(bytes.size, result.size_bytes);
    buf_finish(&bytes);
    struct buf rgb = BUF_INIT;
    for (int i = 0; i < 4; i++) {
        uint8_t *picture = moving_picture(&shape, i);
        buf_append(&rgb, picture, frames_size_bytes(&shape));
        free(picture);
    }
    const struct digest frames = digest_of(rgb.data, rgb.size);
    assert_true(digest_equal(&frames, &result.frames_sha256));
    assert_string_equal(result.suspect, "");
    buf_finish(&rgb);
    free(path);
}

static void same_frames_give_the_same_bytes(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 16);
    char *one = in_folder(*state, "one.mkv");
    char *two = in_folder(*state, "a_longer_name_for_the_second.mkv");
    struct segment_result first, second, other;
    write_segment(one, &shape, 0, &first);
    write_segment(two, &shape, 0, &second);
    assert_true(digest_equal(&first.sha256, &second.sha256));
    write_segment(two, &shape, 1, &other);
    assert_false(digest_equal(&first.sha256, &other.sha256));
    free(one);
    free(two);
}

static void writer_keeps_the_announced_count(void **state)
{
    const struct frames_shape shape = shape_of(32, 32, 2);
    char *path = in_folder(*state, "count.mkv");
    uint8_t *rgb = moving_picture(&shape, 0);
    struct error err;
    struct segment_result result;
    struct segment_writer *w = segment_writer_open(path, &shape, &err);
    must(w != NULL, &err);
    must(segment_writer_push(w, rgb, &err), &err);
    assert_false(segment_writer_finish(w, &result, &err));
    assert_int_equal(err.code, ERROR_STATE);
    segment_writer_destroy(w);
    assert_false(path_exists(path)); /* unfinished files go */
    w = segment_writer_open(path, &shape, &err);
    must(w != NULL && segment_writer_push(w, rgb, &err) && segment_writer_push(w, rgb, &err), &err);
    assert_false(segment_writer_push(w, rgb, &err));
    segment_writer_destroy(w);
    free(rgb);
    free(path);
}

static void writer_says_when_it_cannot_write(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 64);
    struct error err;
    char *missing = in_folder(*state, "no/such/folder.mkv");
    assert_null(segment_writer_open(missing, &shape, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(missing);
    /* A name for /dev/full: the writer removes what it could not finish, so never the device. */
    char *path = in_folder(*state, "full.mkv");
    assert_int_equal(symlink("/dev/full", path), 0);
    struct segment_writer *w = segment_writer_open(path, &shape, &err);
    bool ok = w != NULL;
    for (int i = 0; ok && i < 64; i++) {
        uint8_t *rgb = moving_picture(&shape, i);
        ok = segment_writer_push(w, rgb, &err);
        free(rgb);
    }
    struct segment_result result;
    ok = ok && segment_writer_finish(w, &result, &err);
    assert_false(ok);
    assert_int_equal(err.code, ERROR_FULL);
    segment_writer_destroy(w);
    assert_true(path_exists("/dev/full"));
    free(path);
}

static void other_shapes_are_rejected(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 16);
    char *path = in_folder(*state, "shape.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct frames_shape other = shape;
    other.count = 15;
    rejected(path, &other, "more than the 15 frames");
    other.count = 17;
    rejected(path, &other, "holds 16 frames, 17 were expected");
    other = shape;
    other.width = 48;
    rejected(path, &other, "64x48, 48x48 were expected");
    other = shape;
    other.height = 64;
    rejected(path, &other, "64x48, 64x64 were expected");
    other = shape;
    other.rate = (struct frames_rate){24, 1};
    rejected(path, &other, "24 were expected");
    free(path);
}

static void missing_file_is_no_verdict(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 16);
    char *path = in_folder(*state, "nothing.mkv");
    struct error err;
    assert_null(segment_reader_open(path, &shape, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    free(path);
    assert_null(segment_reader_open(*state, &shape, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

static void every_truncation_is_rejected(void **state)
{
    const struct frames_shape shape = shape_of(24, 16, 3);
    char *path = in_folder(*state, "whole.mkv");
    char *cut = in_folder(*state, "cut.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct buf bytes = read_bytes(path);
    for (size_t size = 0; size < bytes.size; size += size < 600 ? 1 : 23) {
        write_bytes(cut, bytes.data, size);
        rejected(cut, &shape, "");
    }
    write_bytes(cut, bytes.data, bytes.size - 1);
    rejected(cut, &shape, "not a whole segment file");
    buf_append_char(&bytes, '\0');
    write_bytes(cut, bytes.data, bytes.size);
    rejected(cut, &shape, "bytes after its end");
    buf_finish(&bytes);
    free(path);
    free(cut);
}

static void two_files_in_one_are_rejected(void **state)
{
    const struct frames_shape shape = shape_of(24, 16, 3);
    char *path = in_folder(*state, "single.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct buf bytes = read_bytes(path);
    struct buf twice = BUF_INIT;
    buf_append(&twice, bytes.data, bytes.size);
    buf_append(&twice, bytes.data, bytes.size);
    write_bytes(path, twice.data, twice.size);
    rejected(path, &shape, "bytes after its end");
    buf_finish(&bytes);
    buf_finish(&twice);
    free(path);
}

/* Every byte of a small file, one bit each, another bit each time. */
static void every_flipped_bit_is_rejected(void **state)
{
    const struct frames_shape shape = shape_of(24, 16, 3);
    char *path = in_folder(*state, "sound.mkv");
    char *flipped = in_folder(*state, "flipped.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct buf bytes = read_bytes(path);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t bit = (uint8_t)(1U << (i * 5 % 8));
        bytes.data[i] ^= bit;
        write_bytes(flipped, bytes.data, bytes.size);
        bytes.data[i] ^= bit;
        struct error err = {.code = ERROR_NONE};
        if (read_segment(flipped, &shape, -1, &err)) fail_msg("byte %zu flipped, still taken", i);
        if (err.code != ERROR_INVALID) fail_msg("byte %zu: %s", i, err.message);
    }
    buf_finish(&bytes);
    free(path);
    free(flipped);
}

static uint32_t matroska_crc(const uint8_t *data, size_t size)
{
    const AVCRC *table = av_crc_get_table(AV_CRC_32_IEEE_LE);
    return av_crc(table, UINT32_MAX, data, size) ^ UINT32_MAX;
}

/* The cluster at `at`: its body. All lengths here have one, two or eight bytes. */
static uint8_t *cluster_body(uint8_t *at, size_t *size)
{
    uint8_t *p = at + 4;
    int length = __builtin_clz((unsigned)*p) - 24 + 1;
    uint64_t value = *p & (0xff >> length);
    for (int i = 1; i < length; i++) {
        value = value << 8 | p[i];
    }
    *size = (size_t)value;
    return p + length;
}

/* Damage under a fresh container checksum is what the slices' own checksums are for. */
static void damaged_slices_are_rejected(void **state)
{
    const struct frames_shape shape = shape_of(48, 48, 4);
    char *path = in_folder(*state, "slices.mkv");
    struct segment_result result;
    write_segment(path, &shape, 0, &result);
    struct buf bytes = read_bytes(path);
    static const uint8_t id[] = {0x1F, 0x43, 0xB6, 0x75};
    uint8_t *cluster = memmem(bytes.data, bytes.size, id, sizeof(id));
    assert_non_null(cluster);
    size_t size;
    uint8_t *body = cluster_body(cluster, &size);
    assert_int_equal(body[0], 0xBF);
    for (size_t at = 40; at < size; at += 7) {
        body[at] ^= 0x10;
        uint32_t crc = matroska_crc(body + 6, size - 6);
        for (int i = 0; i < 4; i++) {
            body[2 + i] = (uint8_t)(crc >> 8 * i);
        }
        write_bytes(path, bytes.data, bytes.size);
        struct error err;
        must(matroska_check(path, &err), &err);
        rejected(path, &shape, "");
        body[at] ^= 0x10;
    }
    buf_finish(&bytes);
    free(path);
}

static void slices_need_their_checksum(void **state)
{
    (void)state;
    static const uint8_t zeros[64] = {0};
    assert_false(ffv1_slices_intact(NULL, 0));
    assert_false(ffv1_slices_intact(zeros, sizeof(zeros)));
    assert_false(ffv1_slices_intact(zeros, 8));
    uint8_t slice[12] = {0xAB, 0xCD, 0xEF, 0x01, 0, 0, 4, 0};
    uint32_t crc = av_crc(av_crc_get_table(AV_CRC_32_IEEE), 0, slice, 8);
    memcpy(slice + 8, &crc, 4);
    assert_true(ffv1_slices_intact(slice, sizeof(slice)));
    slice[7] = 1; /* the encoder's own mark of damage */
    assert_false(ffv1_slices_intact(slice, sizeof(slice)));
}

/* A file that libav can read, of another codec or container, made by libav itself. `claim` is the
 * codec the container is told. */
static void write_foreign(const char *path, const char *container, const char *encoder,
                          enum AVPixelFormat pixels, enum AVCodecID claim)
{
    AVFormatContext *file = NULL;
    assert_true(avformat_alloc_output_context2(&file, NULL, container, path) >= 0);
    const AVCodec *codec = avcodec_find_encoder_by_name(encoder);
    AVCodecContext *context = avcodec_alloc_context3(codec);
    context->width = context->height = 64;
    context->pix_fmt = pixels;
    context->time_base = (AVRational){1, 8};
    context->framerate = (AVRational){8, 1};
    context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    context->color_range = AVCOL_RANGE_JPEG;
    assert_true(avcodec_open2(context, codec, NULL) >= 0);
    AVStream *stream = avformat_new_stream(file, NULL);
    stream->time_base = context->time_base;
    stream->avg_frame_rate = context->framerate;
    assert_true(avcodec_parameters_from_context(stream->codecpar, context) >= 0);
    if (claim != AV_CODEC_ID_NONE) stream->codecpar->codec_id = claim;
    assert_true(avio_open(&file->pb, path, AVIO_FLAG_WRITE) >= 0);
    assert_true(avformat_write_header(file, NULL) >= 0);
    AVFrame *frame = av_frame_alloc();
    frame->width = frame->height = 64;
    frame->format = pixels;
    frame->color_range = AVCOL_RANGE_JPEG;
    assert_true(av_frame_get_buffer(frame, 0) >= 0);
    AVPacket *packet = av_packet_alloc();
    for (int i = 0; i <= 4; i++) {
        frame->pts = i;
        assert_true(avcodec_send_frame(context, i < 4 ? frame : NULL) >= 0);
        while (avcodec_receive_packet(context, packet) >= 0) {
            av_packet_rescale_ts(packet, context->time_base, stream->time_base);
            assert_true(av_interleaved_write_frame(file, packet) >= 0);
        }
    }
    assert_true(av_write_trailer(file) >= 0);
    avio_closep(&file->pb);
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&context);
    avformat_free_context(file);
}

static void other_formats_are_rejected(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 4);
    char *path = in_folder(*state, "foreign.mkv");
    write_foreign(path, "matroska", "mpeg4", AV_PIX_FMT_YUV420P, AV_CODEC_ID_NONE);
    rejected(path, &shape, "another codec");
    write_foreign(path, "matroska", "mjpeg", AV_PIX_FMT_YUVJ420P, AV_CODEC_ID_FFV1);
    rejected(path, &shape, "");
    write_foreign(path, "matroska", "ffv1", AV_PIX_FMT_YUV420P, AV_CODEC_ID_NONE);
    rejected(path, &shape, "");
    write_foreign(path, "avi", "ffv1", AV_PIX_FMT_BGR0, AV_CODEC_ID_NONE);
    rejected(path, &shape, "no Matroska header");
    write_foreign(path, "mov", "mpeg4", AV_PIX_FMT_YUV420P, AV_CODEC_ID_NONE);
    rejected(path, &shape, "not a whole segment file");
    write_foreign(path, "webm", "libvpx", AV_PIX_FMT_YUV420P, AV_CODEC_ID_NONE);
    rejected(path, &shape, "another document type");
    free(path);
}

static void things_that_are_no_media_are_rejected(void **state)
{
    static const char *const texts[] = {"",
                                        "x",
                                        "#EXTM3U\n#EXT-X-TARGETDURATION:1\nfile:///etc/passwd\n",
                                        "ffconcat version 1.0\nfile /etc/passwd\n",
                                        "\x1a\x45\xdf\xa3",
                                        "\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\x80",
                                        "\x1a\x45\xdf\xa3\xff\xff\xff\xff\xff\xff\xff\xff"};
    const struct frames_shape shape = shape_of(64, 64, 1);
    char *path = in_folder(*state, "text.mkv");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        write_bytes(path, texts[i], strlen(texts[i]));
        rejected(path, &shape, "");
    }
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_bit_for_bit),
        cmocka_unit_test(result_describes_the_file),
        cmocka_unit_test(same_frames_give_the_same_bytes),
        cmocka_unit_test(writer_keeps_the_announced_count),
        cmocka_unit_test(writer_says_when_it_cannot_write),
        cmocka_unit_test(other_shapes_are_rejected),
        cmocka_unit_test(missing_file_is_no_verdict),
        cmocka_unit_test(every_truncation_is_rejected),
        cmocka_unit_test(two_files_in_one_are_rejected),
        cmocka_unit_test(every_flipped_bit_is_rejected),
        cmocka_unit_test(damaged_slices_are_rejected),
        cmocka_unit_test(slices_need_their_checksum),
        cmocka_unit_test(other_formats_are_rejected),
        cmocka_unit_test(things_that_are_no_media_are_rejected),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

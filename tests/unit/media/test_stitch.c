/* Segments into MP4s, looked at again with nothing of ours but the file. */
#include "unit/media/media_test.h"

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <unistd.h>

#include "media/mp4_check.h"
#include "media/stitch.h"

/* An MP4 through libavfilter's default conversion to RGB24, as a player or ffmpeg would. */
struct player {
    AVFormatContext *file;
    AVCodecContext *codec;
    AVFilterGraph *graph;
    AVFilterContext *source, *sink;
    AVPacket *packet;
    AVFrame *frame;
    bool drained;
};

static void open_graph(struct player *p)
{
    const AVCodecParameters *c = p->file->streams[0]->codecpar;
    char arguments[128];
    (void)snprintf(arguments, sizeof(arguments), "video_size=%dx%d:pix_fmt=%d:time_base=1/1000",
                   c->width, c->height, p->codec->pix_fmt);
    p->graph = avfilter_graph_alloc();
    const AVFilter *buffer = avfilter_get_by_name("buffer");
    const AVFilter *sink = avfilter_get_by_name("buffersink");
    AVFilterContext *format;
    assert_true(avfilter_graph_create_filter(&p->source, buffer, "in", arguments, NULL, p->graph) >=
                0);
    assert_true(avfilter_graph_create_filter(&p->sink, sink, "out", NULL, NULL, p->graph) >= 0);
    assert_true(avfilter_graph_create_filter(&format, avfilter_get_by_name("format"), "rgb",
                                             "pix_fmts=rgb24", NULL, p->graph) >= 0);
    assert_true(avfilter_link(p->source, 0, format, 0) >= 0);
    assert_true(avfilter_link(format, 0, p->sink, 0) >= 0);
    assert_true(avfilter_graph_config(p->graph, NULL) >= 0);
}

static void player_open(struct player *p, const char *path)
{
    memset(p, 0, sizeof(*p));
    assert_true(avformat_open_input(&p->file, path, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(p->file, NULL) >= 0);
    assert_int_equal(p->file->nb_streams, 1);
    const AVCodecParameters *c = p->file->streams[0]->codecpar;
    p->codec = avcodec_alloc_context3(avcodec_find_decoder(c->codec_id));
    assert_true(avcodec_parameters_to_context(p->codec, c) >= 0);
    assert_true(avcodec_open2(p->codec, NULL, NULL) >= 0);
    p->packet = av_packet_alloc();
    p->frame = av_frame_alloc();
    open_graph(p);
}

static bool player_decode(struct player *p)
{
    for (;;) {
        int code = avcodec_receive_frame(p->codec, p->frame);
        if (code == AVERROR_EOF) return false;
        if (code == 0) return true;
        assert_int_equal(code, AVERROR(EAGAIN));
        assert_false(p->drained);
        code = av_read_frame(p->file, p->packet);
        p->drained = code < 0;
        assert_true(avcodec_send_packet(p->codec, p->drained ? NULL : p->packet) >= 0);
        av_packet_unref(p->packet);
    }
}

/* The next picture as RGB24 in p->frame; false at the end. */
static bool player_next(struct player *p)
{
    if (!player_decode(p)) return false;
    assert_true(av_buffersrc_add_frame(p->source, p->frame) >= 0);
    assert_true(av_buffersink_get_frame(p->sink, p->frame) >= 0);
    return true;
}

static void player_close(struct player *p)
{
    avfilter_graph_free(&p->graph);
    av_frame_free(&p->frame);
    av_packet_free(&p->packet);
    avcodec_free_context(&p->codec);
    avformat_close_input(&p->file);
}

static struct stitch_job job_of(const char *out, const struct frames_shape *shape,
                                const char *const *segments, int count)
{
    return (struct stitch_job){
        .out_path = out,
        .shape = *shape,
        .tags = {.title = "a red square", .comment = "{\"seed\": 42}"},
        .segments = segments,
        .segment_count = count,
    };
}

static struct stitch_result stitch(const struct stitch_job *job)
{
    struct error err;
    struct stitch_result result;
    must(stitch_run(job, &result, &err), &err);
    return result;
}

static struct mp4_info probe(const char *path)
{
    struct error err;
    struct mp4_info info;
    must(mp4_check_read(path, &info, &err), &err);
    return info;
}

static const uint8_t colours[][3] = {
    {220, 40, 40},  {40, 180, 70},  {50, 90, 230},  {245, 215, 50},  {240, 215, 50},
    {150, 60, 200}, {60, 210, 220}, {245, 140, 40}, {245, 140, 190},
};
static const uint8_t grounds[][3] = {{12, 12, 16}, {244, 244, 240}, {120, 122, 126}};

#define PATCH 14 /* half a side */

static int centre_of(int index)
{
    return 20 + index;
}

static int distance(int x, int y, int index)
{
    int dx = abs(x - centre_of(index)) - PATCH;
    int dy = abs(y - 32) - PATCH;
    return dx > dy ? dx : dy;
}

static uint8_t *patch_picture(const struct frames_shape *shape, const uint8_t *inside,
                              const uint8_t *outside, int index)
{
    uint8_t *rgb = xmalloc(frames_size_bytes(shape));
    for (int y = 0; y < shape->height; y++) {
        for (int x = 0; x < shape->width; x++) {
            memcpy(rgb + (y * shape->width + x) * 3, distance(x, y, index) < 0 ? inside : outside,
                   3);
        }
    }
    return rgb;
}

static void write_patch_segment(const char *path, const struct frames_shape *shape,
                                const uint8_t *inside, const uint8_t *outside)
{
    struct error err;
    struct segment_result result;
    struct segment_writer *w = segment_writer_open(path, shape, &err);
    must(w != NULL, &err);
    for (int i = 0; i < shape->count; i++) {
        uint8_t *rgb = patch_picture(shape, inside, outside, i);
        must(segment_writer_push(w, rgb, &err), &err);
        free(rgb);
    }
    must(segment_writer_finish(w, &result, &err), &err);
    segment_writer_destroy(w);
}

static int error_at(const AVFrame *frame, int x, int y, const uint8_t *want)
{
    const uint8_t *got = frame->data[0] + y * frame->linesize[0] + x * 3;
    int worst = 0;
    for (int c = 0; c < 3; c++) {
        int difference = abs(got[c] - want[c]);
        if (difference > worst) worst = difference;
    }
    return worst;
}

/* H.264 works in blocks of 8: what an edge does reaches no further. Nearer than 3 is the edge. */
struct tally {
    int worst_far, pixels, above_three;
};

static void tally_frame(struct tally *t, const AVFrame *frame, const uint8_t *inside,
                        const uint8_t *outside, int index)
{
    for (int y = 0; y < frame->height; y++) {
        for (int x = 0; x < frame->width; x++) {
            int d = distance(x, y, index);
            int difference = error_at(frame, x, y, d < 0 ? inside : outside);
            if (abs(d) >= 9 && difference > t->worst_far) t->worst_far = difference;
            if (abs(d) < 3) continue;
            t->pixels++;
            if (difference > 3) t->above_three++;
        }
    }
}

static void tally_clip(struct tally *t, const char *mp4, const uint8_t *inside,
                       const uint8_t *outside)
{
    struct player p;
    player_open(&p, mp4);
    int count = 0;
    for (; player_next(&p); count++) {
        tally_frame(t, p.frame, inside, outside, count);
        av_frame_unref(p.frame);
    }
    assert_int_equal(count, 16);
    player_close(&p);
}

static void flat_colours_come_back(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 16);
    char *segment = in_folder(*state, "patch.mkv");
    char *mp4 = in_folder(*state, "patch.mp4");
    struct tally t = {0, 0, 0};
    for (size_t c = 0; c < sizeof(colours) / sizeof(colours[0]); c++) {
        for (size_t g = 0; g < 3; g++) {
            write_patch_segment(segment, &shape, colours[c], grounds[g]);
            const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
            (void)stitch(&job);
            tally_clip(&t, mp4, colours[c], grounds[g]);
        }
    }
    if (t.worst_far > 3) fail_msg("a flat colour comes back %d/255 off", t.worst_far);
    if (t.above_three > t.pixels / 20000) fail_msg("%d of %d pixels", t.above_three, t.pixels);
    free(segment);
    free(mp4);
}

static void stream_is_tagged_for_every_player(void **state)
{
    const struct frames_shape shape = shape_of(64, 48, 5);
    char *segment = in_folder(*state, "tags.mkv");
    char *mp4 = in_folder(*state, "tags.mp4");
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
    (void)stitch(&job);
    struct player p;
    player_open(&p, mp4);
    const AVCodecParameters *c = p.file->streams[0]->codecpar;
    assert_int_equal(c->codec_id, AV_CODEC_ID_H264);
    assert_int_equal(c->format, AV_PIX_FMT_YUV420P);
    assert_int_equal(c->color_range, AVCOL_RANGE_MPEG);
    assert_int_equal(c->color_space, AVCOL_SPC_BT709);
    assert_int_equal(c->color_primaries, AVCOL_PRI_BT709);
    assert_int_equal(c->color_trc, AVCOL_TRC_BT709);
    assert_int_equal(c->width, 64);
    assert_int_equal(c->height, 48);
    assert_null(av_dict_get(p.file->metadata, "creation_time", NULL, 0));
    assert_null(av_dict_get(p.file->metadata, "encoder", NULL, 0));
    player_close(&p);
    struct buf bytes = read_bytes(mp4); /* the index stands before the pictures */
    const char *text = buf_text(&bytes);
    size_t moov = 0, mdat = 0;
    for (size_t i = 0; i + 4 <= bytes.size; i++) {
        if (moov == 0 && memcmp(text + i, "moov", 4) == 0) moov = i;
        if (mdat == 0 && memcmp(text + i, "mdat", 4) == 0) mdat = i;
    }
    assert_true(moov > 0 && mdat > moov);
    buf_finish(&bytes);
    free(segment);
    free(mp4);
}

static void counts_and_rates_are_exact(void **state)
{
    static const int64_t counts[] = {1, 2, 16, 97};
    static const struct frames_rate rates[] = {{8, 1}, {30000, 1001}, {25, 2}, {1, 2}};
    char *segment = in_folder(*state, "count.mkv");
    char *mp4 = in_folder(*state, "count.mp4");
    for (size_t i = 0; i < 4; i++) {
        struct frames_shape shape = shape_of(48, 32, counts[i]);
        shape.rate = rates[i];
        struct segment_result written;
        write_segment(segment, &shape, 0, &written);
        const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
        const struct stitch_result result = stitch(&job);
        assert_true(digest_equal(&result.frames_sha256, &written.frames_sha256));
        struct mp4_info info = probe(mp4);
        assert_int_equal(info.shape.count, counts[i]);
        assert_int_equal(info.shape.rate.num, rates[i].num);
        assert_int_equal(info.shape.rate.den, rates[i].den);
        assert_true(digest_equal(&info.sha256, &result.sha256));
        assert_int_equal(info.size_bytes, result.size_bytes);
        mp4_info_finish(&info);
        struct player p;
        player_open(&p, mp4);
        int64_t seen = 0;
        while (player_next(&p)) {
            av_frame_unref(p.frame);
            seen++;
        }
        assert_int_equal(seen, counts[i]);
        player_close(&p);
    }
    free(segment);
    free(mp4);
}

static void odd_sizes_are_padded(void **state)
{
    static const int sizes[][2] = {{2, 2}, {3, 5}, {65, 64}, {64, 65}, {33, 31}};
    char *segment = in_folder(*state, "odd.mkv");
    char *mp4 = in_folder(*state, "odd.mp4");
    for (size_t i = 0; i < 5; i++) {
        const struct frames_shape shape = shape_of(sizes[i][0], sizes[i][1], 3);
        struct segment_result written;
        write_segment(segment, &shape, 0, &written);
        const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
        (void)stitch(&job);
        struct mp4_info info = probe(mp4);
        assert_int_equal(info.shape.width, sizes[i][0] + sizes[i][0] % 2);
        assert_int_equal(info.shape.height, sizes[i][1] + sizes[i][1] % 2);
        mp4_info_finish(&info);
    }
    free(segment);
    free(mp4);
}

static void tags_come_back(void **state)
{
    const struct frames_shape shape = shape_of(32, 32, 2);
    char *segment = in_folder(*state, "comment.mkv");
    char *mp4 = in_folder(*state, "comment.mp4");
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    struct buf comment = BUF_INIT; /* a recipe with the longest prompt */
    buf_append_text(&comment, "{\"prompt\": \"");
    while (comment.size < 10000) {
        buf_append_text(&comment, "ein Fuchs im Schnee, 雪の中の狐 \\\"<&>\\\" ");
    }
    buf_append_text(&comment, "\", \"seed\": 9223372036854775807}\n");
    struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
    job.tags = (struct clip_tags){.title = "雪の中の狐; \"x\" = y", .comment = buf_text(&comment)};
    (void)stitch(&job);
    struct mp4_info info = probe(mp4);
    assert_string_equal(info.comment, buf_text(&comment));
    assert_string_equal(info.title, job.tags.title);
    mp4_info_finish(&info);
    buf_finish(&comment);
    free(segment);
    free(mp4);
}

static void pieces_do_not_change_the_bytes(void **state)
{
    struct frames_shape shape = shape_of(64, 64, 20);
    char *whole = in_folder(*state, "whole.mkv");
    char *first = in_folder(*state, "first.mkv");
    char *second = in_folder(*state, "second.mkv");
    char *one = in_folder(*state, "one.mp4");
    char *two = in_folder(*state, "another_name.mp4");
    struct segment_result written;
    write_segment(whole, &shape, 0, &written);
    shape.count = 12;
    write_segment(first, &shape, 0, &written);
    shape.count = 8;
    write_segment(second, &shape, 12, &written);
    shape.count = 20;
    const struct stitch_job job = job_of(one, &shape, (const char *[]){whole}, 1);
    const struct stitch_job again = job_of(two, &shape, (const char *[]){first, second}, 2);
    const struct stitch_result a = stitch(&job);
    const struct stitch_result b = stitch(&again);
    assert_true(digest_equal(&a.sha256, &b.sha256));
    assert_true(digest_equal(&a.frames_sha256, &b.frames_sha256));
    const struct stitch_job swapped = job_of(two, &shape, (const char *[]){second, first}, 2);
    const struct stitch_result c = stitch(&swapped);
    assert_false(digest_equal(&a.sha256, &c.sha256));
    free(whole);
    free(first);
    free(second);
    free(one);
    free(two);
}

static void fails_and_leaves_nothing(const struct stitch_job *job, enum error_code code)
{
    struct error err = {.code = ERROR_NONE};
    struct stitch_result result;
    assert_false(stitch_run(job, &result, &err));
    if (err.code != code) fail_msg("%s: %s", error_name(err.code), err.message);
    assert_false(path_exists(job->out_path));
}

static void wrong_segments_are_rejected(void **state)
{
    struct frames_shape shape = shape_of(64, 64, 4);
    char *good = in_folder(*state, "good.mkv");
    char *bad = in_folder(*state, "bad.mkv");
    char *mp4 = in_folder(*state, "never.mp4");
    struct segment_result written;
    write_segment(good, &shape, 0, &written);
    struct buf bytes = read_bytes(good);
    bytes.data[bytes.size / 2] ^= 4;
    write_bytes(bad, bytes.data, bytes.size);
    buf_finish(&bytes);
    shape.count = 8;
    struct stitch_job job = job_of(mp4, &shape, (const char *[]){good, bad}, 2);
    fails_and_leaves_nothing(&job, ERROR_INVALID);
    job = job_of(mp4, &shape, (const char *[]){good}, 1);
    fails_and_leaves_nothing(&job, ERROR_INVALID); /* too few */
    shape.count = 7;
    job = job_of(mp4, &shape, (const char *[]){good, good}, 2);
    fails_and_leaves_nothing(&job, ERROR_INVALID); /* too many */
    shape.count = 8;
    shape.width = 32;
    job = job_of(mp4, &shape, (const char *[]){good, good}, 2);
    fails_and_leaves_nothing(&job, ERROR_INVALID);
    shape.width = 64;
    job = job_of(mp4, &shape, (const char *[]){good, mp4}, 2);
    fails_and_leaves_nothing(&job, ERROR_INVALID); /* an unfinished MP4 is no segment */
    free(good);
    free(bad);
    free(mp4);
}

static void full_disk_is_told_apart(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 4);
    char *segment = in_folder(*state, "source.mkv");
    char *mp4 = in_folder(*state, "full.mp4");
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    assert_int_equal(symlink("/dev/full", mp4), 0);
    const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
    struct error err = {.code = ERROR_NONE};
    struct stitch_result result;
    assert_false(stitch_run(&job, &result, &err));
    if (err.code != ERROR_FULL) fail_msg("%s: %s", error_name(err.code), err.message);
    assert_true(path_exists("/dev/full"));
    free(segment);
    free(mp4);
}

static void suspects_are_named(void **state)
{
    static const uint8_t black[3] = {0, 0, 0}, nearly[3] = {2, 2, 2};
    const struct frames_shape shape = shape_of(64, 64, 1);
    char *segment = in_folder(*state, "suspect.mkv");
    char *mp4 = in_folder(*state, "suspect.mp4");
    write_patch_segment(segment, &shape, nearly, black);
    struct frames_shape many = shape;
    many.count = 3;
    const struct stitch_job job =
        job_of(mp4, &many, (const char *[]){segment, segment, segment}, 3);
    assert_string_equal(stitch(&job).suspect, "black");
    write_patch_segment(segment, &shape, colours[0], black);
    assert_string_equal(stitch(&job).suspect, "still");
    many.count = 1;
    const struct stitch_job single = job_of(mp4, &many, (const char *[]){segment}, 1);
    assert_string_equal(stitch(&single).suspect, "");
    free(segment);
    free(mp4);
}

static void damaged_mp4_is_refused(void **state)
{
    const struct frames_shape shape = shape_of(64, 64, 8);
    char *segment = in_folder(*state, "in.mkv");
    char *mp4 = in_folder(*state, "out.mp4");
    struct segment_result written;
    write_segment(segment, &shape, 0, &written);
    const struct stitch_job job = job_of(mp4, &shape, (const char *[]){segment}, 1);
    (void)stitch(&job);
    struct buf bytes = read_bytes(mp4);
    write_bytes(mp4, bytes.data, bytes.size - 200);
    struct error err;
    struct mp4_info info;
    assert_false(mp4_check_read(mp4, &info, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    buf_finish(&bytes);
    assert_false(mp4_check_read(segment, &info, &err)); /* Matroska is no MP4 */
    assert_int_equal(err.code, ERROR_INVALID);
    free(segment);
    free(mp4);
}

static void check_compares_every_number(void **state)
{
    (void)state;
    const struct frames_shape want = shape_of(63, 64, 16);
    struct mp4_info info = {.shape = shape_of(64, 64, 16), .announced_seconds = 2.0};
    struct error err;
    must(mp4_check_against(&info, &want, &err), &err);
    info.shape.count = 15;
    assert_false(mp4_check_against(&info, &want, &err));
    info.shape.count = 16;
    info.shape.width = 63;
    assert_false(mp4_check_against(&info, &want, &err));
    info.shape.width = 64;
    info.shape.rate.num = 9;
    assert_false(mp4_check_against(&info, &want, &err));
    info.shape.rate.num = 8;
    info.announced_seconds = 2.1;
    assert_false(mp4_check_against(&info, &want, &err));
    assert_int_equal(err.code, ERROR_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flat_colours_come_back),
        cmocka_unit_test(stream_is_tagged_for_every_player),
        cmocka_unit_test(counts_and_rates_are_exact),
        cmocka_unit_test(odd_sizes_are_padded),
        cmocka_unit_test(tags_come_back),
        cmocka_unit_test(pieces_do_not_change_the_bytes),
        cmocka_unit_test(wrong_segments_are_rejected),
        cmocka_unit_test(full_disk_is_told_apart),
        cmocka_unit_test(suspects_are_named),
        cmocka_unit_test(damaged_mp4_is_refused),
        cmocka_unit_test(check_compares_every_number),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

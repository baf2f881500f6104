/* Parts of a growing stream, played by libavformat from their playlist as from one file. */
#include "unit/media/media_test.h"

#include <dirent.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <sys/stat.h>

#include "media/hls.h"
#include "media/stitch.h"

#define TS_CLOCK 90000

static char *make_mp4(const char *folder, struct frames_rate rate, int64_t count, int64_t first)
{
    char *segment = in_folder(folder, "part.mkv"), *mp4 = in_folder(folder, "part.mp4");
    struct frames_shape shape = shape_of(48, 32, count);
    struct segment_result written;
    struct stitch_result *result = xcalloc(1, sizeof *result);
    struct error err;
    shape.rate = rate;
    write_segment(segment, &shape, first, &written);
    const struct stitch_job job = {.out_path = mp4,
                                   .shape = shape,
                                   .tags = {"", ""},
                                   .segments = (const char *[]){segment},
                                   .segment_count = 1};
    must(stitch_run(&job, result, &err), &err);
    free(result);
    free(segment);
    return mp4;
}

/* Parts of 1, 2, .. `parts` times 5 pictures, and their playlist; returns all pictures. */
static int64_t make_stream(const char *folder, const char *live, struct frames_rate rate, int parts)
{
    struct buf list = BUF_INIT;
    struct error err;
    int64_t frames = 0;
    buf_append_text(&list, "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:60\n");
    for (int i = 0; i < parts; i++) {
        struct hls_part part;
        char *mp4 = make_mp4(folder, rate, 5 * (i + 1), frames);
        must(hls_write(mp4, live, i, frames, &part, &err), &err);
        assert_int_equal(part.frames, 5 * (i + 1));
        assert_true(part.rate.num == rate.num && part.rate.den == rate.den);
        buf_printf(&list, "#EXTINF:%.6f,\n%s\n", frames_seconds(part.rate, part.frames), part.name);
        frames += part.frames;
        free(mp4);
    }
    buf_append_text(&list, "#EXT-X-ENDLIST\n");
    char *path = in_folder(live, "index.m3u8");
    write_bytes(path, list.data, list.size);
    buf_finish(&list);
    free(path);
    return frames;
}

struct player {
    AVFormatContext *file;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    struct frames_rate rate;
    int64_t first, count; /* time of the first picture; pictures seen */
};

static void see(struct player *p)
{
    int64_t time = p->frame->best_effort_timestamp;
    if (p->count == 0) p->first = time;
    int64_t want = p->first + av_rescale(p->count, (int64_t)TS_CLOCK * p->rate.den, p->rate.num);
    if (llabs(time - want) > 1)
        fail_msg("picture %lld is shown at %lld, not %lld", (long long)p->count, (long long)time,
                 (long long)want);
    assert_int_equal(p->frame->flags & AV_FRAME_FLAG_CORRUPT, 0);
    p->count++;
}

static void drain(struct player *p)
{
    while (avcodec_receive_frame(p->codec, p->frame) == 0)
        see(p);
}

static int64_t play(const char *live, struct frames_rate rate)
{
    struct player p = {.rate = rate, .packet = av_packet_alloc(), .frame = av_frame_alloc()};
    char *path = in_folder(live, "index.m3u8");
    assert_true(avformat_open_input(&p.file, path, NULL, NULL) >= 0);
    assert_true(avformat_find_stream_info(p.file, NULL) >= 0);
    assert_int_equal(p.file->nb_streams, 1);
    p.codec = avcodec_alloc_context3(avcodec_find_decoder(AV_CODEC_ID_H264));
    assert_true(avcodec_parameters_to_context(p.codec, p.file->streams[0]->codecpar) >= 0);
    assert_true(avcodec_open2(p.codec, NULL, NULL) >= 0);
    while (av_read_frame(p.file, p.packet) >= 0) {
        assert_int_equal(p.packet->flags & AV_PKT_FLAG_CORRUPT, 0); /* a gap in the counters */
        assert_true(avcodec_send_packet(p.codec, p.packet) >= 0);
        av_packet_unref(p.packet);
        drain(&p);
    }
    assert_true(avcodec_send_packet(p.codec, NULL) >= 0);
    drain(&p);
    av_frame_free(&p.frame);
    av_packet_free(&p.packet);
    avcodec_free_context(&p.codec);
    avformat_close_input(&p.file);
    free(path);
    return p.count;
}

static void parts_play_without_a_jump(void **state)
{
    static const struct frames_rate rates[] = {{8, 1}, {30000, 1001}, {7, 1}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "live%zu", i);
        char *live = in_folder(*state, name);
        assert_int_equal(mkdir(live, 0700), 0);
        int64_t frames = make_stream(*state, live, rates[i], 4);
        assert_int_equal(frames, 50);
        assert_int_equal(play(live, rates[i]), frames);
        free(live);
    }
}

static void the_same_part_has_the_same_bytes(void **state)
{
    struct error err;
    struct hls_part part;
    char *mp4 = make_mp4(*state, (struct frames_rate){8, 1}, 8, 0);
    must(hls_write(mp4, *state, 3, 24, &part, &err), &err);
    assert_string_equal(part.name, "000003.ts");
    char *path = in_folder(*state, part.name);
    struct buf first = read_bytes(path);
    must(hls_write(mp4, *state, 3, 24, &part, &err), &err); /* after a crash it is done again */
    struct buf again = read_bytes(path);
    assert_int_equal(first.size, again.size);
    assert_memory_equal(first.data, again.data, first.size);
    buf_finish(&first);
    buf_finish(&again);
    free(path);
    free(mp4);
}

static int entries(const char *folder)
{
    DIR *d = opendir(folder);
    int count = 0;
    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count;
}

static void what_is_no_mp4_leaves_nothing(void **state)
{
    struct error err;
    struct hls_part part;
    char *live = in_folder(*state, "empty"), *bad = in_folder(*state, "bad.mp4");
    char *mp4 = make_mp4(*state, (struct frames_rate){8, 1}, 8, 0);
    assert_int_equal(mkdir(live, 0700), 0);
    struct buf bytes = read_bytes(mp4);
    write_bytes(bad, bytes.data, bytes.size / 3);
    assert_false(hls_write(bad, live, 0, 0, &part, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    write_bytes(bad, "#EXTM3U\nfile:///etc/passwd\n", 26);
    assert_false(hls_write(bad, live, 0, 0, &part, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_false(hls_write("/nowhere.mp4", live, 0, 0, &part, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(entries(live), 2);
    buf_finish(&bytes);
    free(live);
    free(bad);
    free(mp4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_play_without_a_jump),
        cmocka_unit_test(the_same_part_has_the_same_bytes),
        cmocka_unit_test(what_is_no_mp4_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

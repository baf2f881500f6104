/* H.264 and AAC from MP4 to MPEG-TS. */
#include "media/hls.h"

#include <libavcodec/avcodec.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "media/container.h"
#include "media/libav.h"

#define STREAMS_MAX 2
/* How far ahead of its time a picture may arrive: what ffmpeg does by default. */
#define MUX_DELAY_US 700000

struct hls {
    const char *path;
    struct container in;
    AVFormatContext *out;
    AVPacket *packet;
    int video; /* its stream */
    int64_t offset_frames, frames;
    AVRational frame; /* seconds of one */
};

static bool fail(const struct hls *h, int code, const char *what, struct error *err)
{
    return libav_error(err, code, "%s: %s", h->path, what);
}

static bool is_ours(const AVCodecParameters *p)
{
    return (p->codec_type == AVMEDIA_TYPE_VIDEO && p->codec_id == AV_CODEC_ID_H264) ||
           (p->codec_type == AVMEDIA_TYPE_AUDIO && p->codec_id == AV_CODEC_ID_AAC);
}

static bool check_streams(struct hls *h, struct error *err)
{
    const AVFormatContext *file = h->in.file;
    int videos = 0;
    for (unsigned i = 0; i < file->nb_streams && i < STREAMS_MAX; i++) {
        const AVStream *stream = file->streams[i];
        if (!is_ours(stream->codecpar)) break;
        if (stream->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
        videos++;
        h->video = (int)i;
        h->frame = av_inv_q(stream->avg_frame_rate);
    }
    bool all = file->nb_streams <= STREAMS_MAX && videos == 1 && h->frame.num > 0 &&
               h->frame.den > 0 && is_ours(file->streams[file->nb_streams - 1]->codecpar);
    return all || error_set(err, ERROR_INVALID, "%s: not an MP4 of H.264 and AAC", h->path);
}

static bool open_input(struct hls *h, struct error *err)
{
    int code = container_open(&h->in, h->path, "mov", AV_EF_EXPLODE);
    if (code < 0) return fail(h, code, "opening", err);
    return check_streams(h, err);
}

static bool copy_streams(struct hls *h, struct error *err)
{
    for (unsigned i = 0; i < h->in.file->nb_streams; i++) {
        AVStream *stream = avformat_new_stream(h->out, NULL);
        if (stream == NULL) return error_set(err, ERROR_NO_MEMORY, "a stream");
        int code = avcodec_parameters_copy(stream->codecpar, h->in.file->streams[i]->codecpar);
        if (code < 0) return fail(h, code, "its parameters", err);
        stream->codecpar->codec_tag = 0; /* MP4's means nothing here */
    }
    return true;
}

/* Every part is muxed by itself, so its packets' counters begin anew: it says so. */
static bool open_output(struct hls *h, const char *path, struct error *err)
{
    char *url = libav_file_url(path);
    int code = avformat_alloc_output_context2(&h->out, NULL, "mpegts", url);
    if (code >= 0) code = avio_open2(&h->out->pb, url, AVIO_FLAG_WRITE, NULL, NULL);
    free(url);
    if (code < 0) return libav_error(err, code, "%s", path);
    h->out->flags |= AVFMT_FLAG_BITEXACT;
    h->out->max_delay = MUX_DELAY_US;
    h->out->avoid_negative_ts = 0;
    AVDictionary *options = NULL;
    code = av_dict_set(&options, "mpegts_flags", "initial_discontinuity", 0);
    bool ok = copy_streams(h, err);
    if (ok && code >= 0) code = avformat_write_header(h->out, &options);
    av_dict_free(&options);
    return ok && (code >= 0 || libav_error(err, code, "%s: header", path));
}

/* Of a picture: by its number in the whole stream, so that no part's rounding adds up. */
static int64_t video_time(const struct hls *h, int64_t time, AVRational from, AVRational to)
{
    int64_t number = av_rescale_q(time, from, h->frame) + h->offset_frames;
    return av_rescale_q(number, h->frame, to);
}

static int64_t time_of(const struct hls *h, int64_t time, AVRational from, AVRational to)
{
    if (h->packet->stream_index == h->video) return video_time(h, time, from, to);
    return av_rescale_q(time, from, to) + av_rescale_q(h->offset_frames, h->frame, to);
}

static bool write_packet(struct hls *h, struct error *err)
{
    AVPacket *p = h->packet;
    AVRational from = h->in.file->streams[p->stream_index]->time_base;
    AVRational to = h->out->streams[p->stream_index]->time_base;
    int64_t start = av_rescale_q(HLS_START_S, (AVRational){1, 1}, to);
    if (p->pts == AV_NOPTS_VALUE || p->dts == AV_NOPTS_VALUE)
        return error_set(err, ERROR_INVALID, "%s: a packet without a time", h->path);
    bool video = p->stream_index == h->video;
    /* What an AAC encoder puts before the beginning would lie over the end of the part before. */
    if (!video && p->pts < 0) return true;
    h->frames += video;
    p->pts = time_of(h, p->pts, from, to) + start;
    p->dts = time_of(h, p->dts, from, to) + start;
    p->duration = av_rescale_q(p->duration, from, to);
    p->pos = -1;
    int code = av_interleaved_write_frame(h->out, p);
    if (code >= 0) code = h->out->pb->error;
    return code >= 0 || fail(h, code, "writing", err);
}

static bool copy_packets(struct hls *h, struct error *err)
{
    for (;;) {
        int code = container_read(&h->in, h->packet);
        if (code == AVERROR_EOF) break;
        if (code < 0) return fail(h, code, "reading", err);
        bool ok = write_packet(h, err);
        av_packet_unref(h->packet);
        if (!ok) return false;
    }
    if (h->frames < 1) return error_set(err, ERROR_INVALID, "%s: no picture in it", h->path);
    int code = av_write_trailer(h->out);
    if (code >= 0) code = avio_closep(&h->out->pb);
    return code >= 0 || fail(h, code, "ending", err);
}

static bool remux(struct hls *h, const char *path, struct error *err)
{
    h->packet = av_packet_alloc();
    if (h->packet == NULL) return error_set(err, ERROR_NO_MEMORY, "a packet");
    bool ok = open_input(h, err) && open_output(h, path, err) && copy_packets(h, err) &&
              path_fsync_file(path, err);
    if (h->out != NULL) (void)avio_closep(&h->out->pb);
    avformat_free_context(h->out);
    av_packet_free(&h->packet);
    container_close(&h->in);
    return ok;
}

bool hls_write(const char *mp4, const char *folder, int64_t index, int64_t offset_frames,
               struct hls_part *out, struct error *err)
{
    struct hls h = {.path = mp4, .offset_frames = offset_frames};
    (void)snprintf(out->name, sizeof out->name, "%06d.ts", (int)index);
    char *path = path_join(folder, out->name);
    char *hidden = xasprintf("%s/.%s.tmp.%ld", folder, out->name, (long)getpid());
    bool ok = remux(&h, hidden, err) && path_rename_durable(hidden, path, err);
    if (!ok) (void)unlink(hidden);
    out->frames = h.frames;
    out->rate = (struct frames_rate){h.frame.den, h.frame.num};
    free(hidden);
    free(path);
    return ok;
}

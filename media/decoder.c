/* Restricted demuxing and decoding. */
#include "media/decoder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/container.h"
#include "media/ffv1.h"
#include "media/libav.h"

const struct decoder_format decoder_segment = {
    .what = "segment",
    .container = "matroska",
    .codec_id = AV_CODEC_ID_FFV1,
    .codec = "ffv1",
    .pixels = AV_PIX_FMT_BGR0,
    .every_picture_key = true,
    .packet_ok = ffv1_slices_intact,
};

const struct decoder_format decoder_mp4 = {
    .what = "MP4",
    .container = "mov",
    .codec_id = AV_CODEC_ID_H264,
    .codec = "h264",
    .pixels = AV_PIX_FMT_YUV420P,
    .sound = true,
};

struct decoder {
    const struct decoder_format *format;
    char *path;
    struct container container;
    AVStream *stream; /* the pictures */
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *picture;
    int64_t count; /* pictures given out */
    int64_t last_pts;
    bool drained;
};

static bool refuse(const struct decoder *d, struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID, "%s: not a sound %s: %s", d->path, d->format->what, why);
}

/* Whatever code a parser gives up with, the file is at fault, unless the machine plainly was. */
static bool fail(const struct decoder *d, struct error *err, int code, const char *what)
{
    (void)libav_error(err, code, "%s: %s", d->path, what);
    bool reading = container_failed_to_read(&d->container);
    if (err != NULL && !reading && code != AVERROR(ENOMEM)) err->code = ERROR_INVALID;
    return false;
}

static bool fail_at_picture(const struct decoder *d, struct error *err, int code)
{
    char what[48];
    (void)snprintf(what, sizeof(what), "picture %lld", (long long)d->count);
    return fail(d, err, code, what);
}

static bool open_container(struct decoder *d, struct error *err)
{
    int code = container_open(&d->container, d->path, d->format->container,
                              AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE);
    if (code == AVERROR_DEMUXER_NOT_FOUND)
        return error_set(err, ERROR_REFUSED, "no demuxer for %s", d->format->container);
    if (code == AVERROR(ENOENT))
        return error_set(err, ERROR_NOT_FOUND, "%s does not exist", d->path);
    return code >= 0 || fail(d, err, code, "opening");
}

static bool choose_stream(struct decoder *d, struct error *err)
{
    const AVFormatContext *file = d->container.file;
    for (unsigned i = 0; i < file->nb_streams; i++) {
        AVStream *stream = file->streams[i];
        bool sound = stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO;
        if (!sound && d->stream == NULL)
            d->stream = stream;
        else if (sound && d->format->sound && file->nb_streams == 2)
            stream->discard = AVDISCARD_ALL;
        else
            return refuse(d, err, "it holds other streams than it should");
    }
    return d->stream != NULL || refuse(d, err, "it holds no pictures");
}

static bool check_stream(const struct decoder *d, struct error *err)
{
    const AVCodecParameters *p = d->stream->codecpar;
    if (p->codec_type != AVMEDIA_TYPE_VIDEO || p->codec_id != d->format->codec_id) {
        return refuse(d, err, "another codec");
    }
    if (p->width < FRAMES_SIDE_MIN || p->width > FRAMES_SIDE_MAX || p->height < FRAMES_SIDE_MIN ||
        p->height > FRAMES_SIDE_MAX) {
        return refuse(d, err, "a size out of range");
    }
    return true;
}

static bool open_codec(struct decoder *d, struct error *err)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(d->format->codec);
    if (codec == NULL) return error_set(err, ERROR_REFUSED, "no decoder for %s", d->format->codec);
    d->codec = avcodec_alloc_context3(codec);
    d->packet = av_packet_alloc();
    d->picture = av_frame_alloc();
    if (d->codec == NULL || d->packet == NULL || d->picture == NULL) {
        return error_set(err, ERROR_NO_MEMORY, "decoder for %s", d->path);
    }
    int code = avcodec_parameters_to_context(d->codec, d->stream->codecpar);
    d->codec->thread_count = 1;
    d->codec->err_recognition = d->container.file->error_recognition;
    d->codec->pkt_timebase = d->stream->time_base;
    d->codec->max_pixels = (int64_t)FRAMES_SIDE_MAX * FRAMES_SIDE_MAX;
    d->codec->error_concealment = 0;
    if (code >= 0) code = avcodec_open2(d->codec, codec, NULL);
    return code >= 0 || fail(d, err, code, "opening the codec");
}

struct decoder *decoder_open(const char *path, const struct decoder_format *format,
                             struct error *err)
{
    struct decoder *d = xcalloc(1, sizeof(*d));
    d->format = format;
    d->path = xstrdup(path);
    d->last_pts = INT64_MIN;
    if (open_container(d, err) && choose_stream(d, err) && check_stream(d, err) &&
        open_codec(d, err))
        return d;
    decoder_destroy(d);
    return NULL;
}

int decoder_width(const struct decoder *d)
{
    return d->stream->codecpar->width;
}

int decoder_height(const struct decoder *d)
{
    return d->stream->codecpar->height;
}

AVRational decoder_rate(const struct decoder *d)
{
    return d->stream->avg_frame_rate;
}

AVRational decoder_time_base(const struct decoder *d)
{
    return d->stream->time_base;
}

int64_t decoder_announced_frames(const struct decoder *d)
{
    return d->stream->nb_frames;
}

double decoder_announced_seconds(const struct decoder *d)
{
    const AVStream *stream = d->stream;
    if (stream->duration == AV_NOPTS_VALUE) return 0;
    return (double)stream->duration * av_q2d(stream->time_base);
}

bool decoder_has_sound(const struct decoder *d)
{
    return d->container.file->nb_streams > 1;
}

const char *decoder_tag(const struct decoder *d, const char *name)
{
    const AVDictionaryEntry *entry = av_dict_get(d->container.file->metadata, name, NULL, 0);
    return entry != NULL ? entry->value : NULL;
}

static bool send_packet(struct decoder *d, struct error *err)
{
    const AVPacket *p = d->packet;
    bool key = (p->flags & AV_PKT_FLAG_KEY) != 0;
    if (p->flags & AV_PKT_FLAG_CORRUPT) return refuse(d, err, "a damaged packet");
    if (d->format->every_picture_key && !key) return refuse(d, err, "a picture is no key picture");
    if (d->format->packet_ok != NULL && !d->format->packet_ok(p->data, (size_t)p->size)) {
        return error_set(err, ERROR_INVALID, "%s: picture %lld is damaged", d->path,
                         (long long)d->count);
    }
    int code = avcodec_send_packet(d->codec, p);
    return code >= 0 || fail_at_picture(d, err, code);
}

/* One packet into the codec, or the end of the file. */
static bool feed(struct decoder *d, struct error *err)
{
    int code = container_read(&d->container, d->packet);
    if (code == AVERROR_EOF) {
        d->drained = true;
        code = avcodec_send_packet(d->codec, NULL);
        return code >= 0 || fail(d, err, code, "draining");
    }
    if (code < 0) return fail(d, err, code, "reading");
    bool ok = d->packet->stream_index != d->stream->index || send_packet(d, err);
    av_packet_unref(d->packet);
    return ok;
}

static bool check_picture(struct decoder *d, struct error *err)
{
    const AVFrame *p = d->picture;
    if (p->format != d->format->pixels) return refuse(d, err, "another pixel format");
    if (p->width != decoder_width(d) || p->height != decoder_height(d)) {
        return refuse(d, err, "the size changes");
    }
    if ((p->flags & AV_FRAME_FLAG_CORRUPT) != 0 || p->decode_error_flags != 0) {
        return refuse(d, err, "a damaged picture");
    }
    if (p->pts == AV_NOPTS_VALUE || p->pts <= d->last_pts) {
        return refuse(d, err, "pictures out of order");
    }
    d->last_pts = p->pts;
    d->count++;
    return true;
}

const AVFrame *decoder_next(struct decoder *d, bool *end, struct error *err)
{
    *end = false;
    for (;;) {
        int code = avcodec_receive_frame(d->codec, d->picture);
        if (code == 0) return check_picture(d, err) ? d->picture : NULL;
        if (code == AVERROR_EOF) {
            *end = true;
            return NULL;
        }
        if (code != AVERROR(EAGAIN) || d->drained) {
            (void)fail_at_picture(d, err, code);
            return NULL;
        }
        if (!feed(d, err)) return NULL;
    }
}

void decoder_destroy(struct decoder *d)
{
    if (d == NULL) return;
    av_frame_free(&d->picture);
    av_packet_free(&d->packet);
    avcodec_free_context(&d->codec);
    container_close(&d->container);
    free(d->path);
    free(d);
}

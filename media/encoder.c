/* Muxing and encoding of one video stream (craft: libav pitfalls: time bases are renegotiated by
 * write_header, packets change owner on every write, the codec must be drained). */
#include "media/encoder.h"

#include <libavformat/avformat.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/path.h"
#include "base/xalloc.h"
#include "media/libav.h"

struct encoder {
    AVFormatContext *file;
    AVCodecContext *codec;
    AVStream *stream, *sound; /* of file */
    AVRational sound_time_base;
    AVFrame *picture;
    AVPacket *packet;
    char *path;
    int64_t count;
    bool created, finished;
};

static bool set_options(void *target, const struct encoder_option *options, struct error *err)
{
    for (; options != NULL && options->name != NULL; options++) {
        int code = av_opt_set(target, options->name, options->value, AV_OPT_SEARCH_CHILDREN);
        if (code >= 0) continue;
        return libav_error(err, code, "option %s=%s", options->name, options->value);
    }
    return true;
}

static void set_colour(AVCodecContext *codec, const struct encoder_format *format)
{
    codec->color_range = format->range;
    codec->colorspace = format->space;
    if (format->space != AVCOL_SPC_BT709) return;
    codec->color_primaries = AVCOL_PRI_BT709;
    codec->color_trc = AVCOL_TRC_BT709;
    codec->chroma_sample_location = AVCHROMA_LOC_CENTER;
}

static bool open_codec(struct encoder *e, const struct encoder_format *format,
                       const struct frames_shape *shape, struct error *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(format->codec);
    if (codec == NULL) {
        return error_set(err, ERROR_REFUSED, "the installed libavcodec has no %s", format->codec);
    }
    e->codec = avcodec_alloc_context3(codec);
    if (e->codec == NULL) return error_set(err, ERROR_NO_MEMORY, "codec context");
    AVCodecContext *c = e->codec;
    c->width = shape->width;
    c->height = shape->height;
    c->pix_fmt = format->pixels;
    c->time_base = (AVRational){shape->rate.den, shape->rate.num};
    c->framerate = (AVRational){shape->rate.num, shape->rate.den};
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->thread_count = 1;
    c->flags |= AV_CODEC_FLAG_BITEXACT;
    if (e->file->oformat->flags & AVFMT_GLOBALHEADER) c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (format->level != 0) c->level = format->level;
    if (format->gop_pictures != 0) c->gop_size = format->gop_pictures;
    set_colour(c, format);
    if (!set_options(c, format->codec_options, err)) return false;
    int code = avcodec_open2(c, codec, NULL);
    return code >= 0 || libav_error(err, code, "opening %s", format->codec);
}

static bool open_stream(struct encoder *e, struct error *err)
{
    e->stream = avformat_new_stream(e->file, NULL);
    if (e->stream == NULL) return error_set(err, ERROR_NO_MEMORY, "video stream");
    e->stream->time_base = e->codec->time_base;
    e->stream->avg_frame_rate = e->codec->framerate;
    e->stream->sample_aspect_ratio = e->codec->sample_aspect_ratio;
    int code = avcodec_parameters_from_context(e->stream->codecpar, e->codec);
    return code >= 0 || libav_error(err, code, "stream parameters");
}

static bool open_sound(struct encoder *e, const AVCodecContext *sound, struct error *err)
{
    if (sound == NULL) return true;
    e->sound = avformat_new_stream(e->file, NULL);
    if (e->sound == NULL) return error_set(err, ERROR_NO_MEMORY, "audio stream");
    e->sound->time_base = e->sound_time_base = sound->time_base;
    int code = avcodec_parameters_from_context(e->sound->codecpar, sound);
    return code >= 0 || libav_error(err, code, "stream parameters");
}

static bool set_tags(struct encoder *e, const struct encoder_option *tags, struct error *err)
{
    for (; tags != NULL && tags->name != NULL; tags++) {
        int code = av_dict_set(&e->file->metadata, tags->name, tags->value, 0);
        if (code < 0) return libav_error(err, code, "tag %s", tags->name);
    }
    return true;
}

static bool open_file(struct encoder *e, const struct encoder_format *format,
                      const struct encoder_option *tags, struct error *err)
{
    e->file->flags |= AVFMT_FLAG_BITEXACT;
    if (!set_tags(e, tags, err)) return false;
    if (e->file->priv_data != NULL &&
        !set_options(e->file->priv_data, format->container_options, err)) {
        return false;
    }
    int code = avio_open2(&e->file->pb, e->file->url, AVIO_FLAG_WRITE, NULL, NULL);
    if (code < 0) return libav_error(err, code, "%s", e->path);
    e->created = true;
    code = avformat_write_header(e->file, NULL);
    return code >= 0 || libav_error(err, code, "%s: header", e->path);
}

static bool alloc_picture(struct encoder *e, struct error *err)
{
    e->packet = av_packet_alloc();
    e->picture = av_frame_alloc();
    if (e->packet == NULL || e->picture == NULL) return error_set(err, ERROR_NO_MEMORY, "picture");
    e->picture->format = e->codec->pix_fmt;
    e->picture->width = e->codec->width;
    e->picture->height = e->codec->height;
    e->picture->color_range = e->codec->color_range;
    e->picture->colorspace = e->codec->colorspace;
    int code = av_frame_get_buffer(e->picture, 0);
    return code >= 0 ||
           libav_error(err, code, "picture of %dx%d", e->codec->width, e->codec->height);
}

struct encoder *encoder_open(const char *path, const struct encoder_format *format,
                             const struct frames_shape *shape, const struct encoder_option *tags,
                             const AVCodecContext *sound, struct error *err)
{
    struct encoder *e = xcalloc(1, sizeof(*e));
    e->path = xstrdup(path);
    char *url = libav_file_url(path);
    int code = avformat_alloc_output_context2(&e->file, NULL, format->container, url);
    free(url);
    if (code < 0) {
        (void)libav_error(err, code, "%s", path);
    } else if (open_codec(e, format, shape, err) && open_stream(e, err) &&
               open_sound(e, sound, err) && open_file(e, format, tags, err) &&
               alloc_picture(e, err)) {
        return e;
    }
    encoder_destroy(e);
    return NULL;
}

AVFrame *encoder_picture(struct encoder *e, struct error *err)
{
    /* The codec may still hold the last one for its look-ahead; then this makes a fresh copy. */
    int code = av_frame_make_writable(e->picture);
    if (code >= 0) return e->picture;
    (void)libav_error(err, code, "picture %lld", (long long)e->count);
    return NULL;
}

static bool write_packets(struct encoder *e, struct error *err)
{
    for (;;) {
        int code = avcodec_receive_packet(e->codec, e->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return true;
        if (code < 0) return libav_error(err, code, "%s: encoding", e->path);
        e->packet->stream_index = e->stream->index;
        e->packet->duration = 1;
        av_packet_rescale_ts(e->packet, e->codec->time_base, e->stream->time_base);
        code = av_interleaved_write_frame(e->file, e->packet);
        if (code >= 0) code = e->file->pb->error; /* a full disk shows here first */
        if (code < 0) return libav_error(err, code, "%s: writing", e->path);
    }
}

bool encoder_sound(struct encoder *e, AVPacket *packet, struct error *err)
{
    packet->stream_index = e->sound->index;
    av_packet_rescale_ts(packet, e->sound_time_base, e->sound->time_base);
    int code = av_interleaved_write_frame(e->file, packet);
    if (code >= 0) code = e->file->pb->error;
    return code >= 0 || libav_error(err, code, "%s: writing", e->path);
}

bool encoder_push(struct encoder *e, struct error *err)
{
    e->picture->pts = e->count;
    int code = avcodec_send_frame(e->codec, e->picture);
    if (code < 0) return libav_error(err, code, "%s: picture %lld", e->path, (long long)e->count);
    e->count++;
    return write_packets(e, err);
}

bool encoder_finish(struct encoder *e, struct error *err)
{
    int code = avcodec_send_frame(e->codec, NULL);
    if (code < 0) return libav_error(err, code, "%s: draining", e->path);
    if (!write_packets(e, err)) return false;
    code = av_write_trailer(e->file);
    if (code < 0) return libav_error(err, code, "%s: trailer", e->path);
    code = avio_closep(&e->file->pb);
    if (code < 0) return libav_error(err, code, "%s: closing", e->path);
    e->finished = path_fsync_file(e->path, err);
    return e->finished;
}

void encoder_destroy(struct encoder *e)
{
    if (e == NULL) return;
    av_packet_free(&e->packet);
    av_frame_free(&e->picture);
    avcodec_free_context(&e->codec);
    if (e->file != NULL) (void)avio_closep(&e->file->pb);
    avformat_free_context(e->file);
    if (e->created && !e->finished) (void)unlink(e->path);
    free(e->path);
    free(e);
}

/* Pictures of files from people. */
#include "media/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "media/container.h"
#include "media/file_kind.h"
#include "media/libav.h"

/* The one decoder of each kind of stream: no hardware, nothing of the hundreds of others. */
static const struct {
    enum AVCodecID id;
    const char *decoder;
} codecs[] = {
    {AV_CODEC_ID_H264, "h264"},    {AV_CODEC_ID_HEVC, "hevc"},   {AV_CODEC_ID_VP8, "vp8"},
    {AV_CODEC_ID_VP9, "vp9"},      {AV_CODEC_ID_MPEG4, "mpeg4"}, {AV_CODEC_ID_MJPEG, "mjpeg"},
    {AV_CODEC_ID_AV1, "libdav1d"}, {AV_CODEC_ID_FFV1, "ffv1"},   {AV_CODEC_ID_PNG, "png"},
    {AV_CODEC_ID_GIF, "gif"},      {AV_CODEC_ID_WEBP, "webp"},
};

struct source {
    char *path;
    const struct file_kind *kind;
    struct container container;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *picture;
    int stream;
    int64_t count; /* pictures given out */
    int64_t first_pts, last_pts;
    int width, height; /* of the first picture */
    bool drained;
};

const char *source_demuxer(const uint8_t *head, size_t size)
{
    const struct file_kind *kind = file_kind_of(head, size);
    return kind != NULL && kind->pictures ? kind->demuxer : NULL;
}

static bool refuse(const struct source *s, struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID, "%s: %s", s->kind != NULL ? s->kind->words : "the file",
                     why);
}

/* Whatever code a parser gives up with, the file is at fault, unless the machine plainly was. */
static bool fail(const struct source *s, struct error *err, int code, const char *what)
{
    (void)libav_error(err, code, "%s: %s", s->kind->words, what);
    bool reading = container_failed_to_read(&s->container);
    if (err != NULL && !reading && code != AVERROR(ENOMEM)) err->code = ERROR_INVALID;
    return false;
}

static bool fail_at_picture(const struct source *s, struct error *err, int code)
{
    char what[48];
    (void)snprintf(what, sizeof(what), "picture %lld", (long long)s->count);
    return fail(s, err, code, what);
}

static bool read_kind(struct source *s, struct error *err)
{
    if (!file_kind_read(s->path, &s->kind, err)) return false;
    return (s->kind != NULL && s->kind->pictures) ||
           refuse(s, err,
                  "neither a video (MP4, WebM, Matroska, AVI, GIF) nor an image (PNG, JPEG, WebP) "
                  "by its first bytes");
}

static bool open_container(struct source *s, struct error *err)
{
    int code = container_open(&s->container, s->path, s->kind->demuxer,
                              AV_EF_CRCCHECK | AV_EF_BUFFER | AV_EF_EXPLODE);
    if (code == AVERROR_DEMUXER_NOT_FOUND)
        return error_set(err, ERROR_REFUSED, "no demuxer for %s", s->kind->words);
    return code >= 0 || fail(s, err, code, "opening");
}

static const char *decoder_of(enum AVCodecID id)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++) {
        if (codecs[i].id == id) return codecs[i].decoder;
    }
    return NULL;
}

/* Covers (pictures of a sound file) are no video. */
static bool choose_stream(struct source *s, struct error *err)
{
    s->stream = -1;
    for (unsigned i = 0; i < s->container.file->nb_streams; i++) {
        AVStream *stream = s->container.file->streams[i];
        bool video = stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
                     (stream->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0;
        if (video && s->stream < 0) {
            s->stream = (int)i;
        } else {
            stream->discard = AVDISCARD_ALL;
        }
    }
    return s->stream >= 0 || refuse(s, err, "there is no picture in it");
}

static bool open_codec(struct source *s, struct error *err)
{
    const AVStream *stream = s->container.file->streams[s->stream];
    const char *name = decoder_of(stream->codecpar->codec_id);
    if (name == NULL) {
        return refuse(s, err,
                      "its video is coded in a way that is not taken: H.264, HEVC, VP8, VP9, AV1, "
                      "MPEG-4, MJPEG or FFV1 are");
    }
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    if (codec == NULL) return error_set(err, ERROR_REFUSED, "no decoder for %s", name);
    s->codec = avcodec_alloc_context3(codec);
    s->packet = av_packet_alloc();
    s->picture = av_frame_alloc();
    if (s->codec == NULL || s->packet == NULL || s->picture == NULL) {
        return error_set(err, ERROR_NO_MEMORY, "decoder for %s", s->path);
    }
    int code = avcodec_parameters_to_context(s->codec, stream->codecpar);
    s->codec->thread_count = 1;
    s->codec->err_recognition = s->container.file->error_recognition;
    s->codec->pkt_timebase = stream->time_base;
    s->codec->max_pixels = SOURCE_PIXELS_MAX;
    s->codec->error_concealment = 0;
    if (code >= 0) code = avcodec_open2(s->codec, codec, NULL);
    return code >= 0 || fail(s, err, code, "opening the codec");
}

struct source *source_open(const char *path, struct error *err)
{
    struct source *s = xcalloc(1, sizeof(*s));
    s->path = xstrdup(path);
    if (read_kind(s, err) && open_container(s, err) && choose_stream(s, err) && open_codec(s, err))
        return s;
    source_destroy(s);
    return NULL;
}

bool source_has_pictures(const char *path)
{
    struct source s = {.path = xstrdup(path)};
    bool found = read_kind(&s, NULL) && open_container(&s, NULL) && choose_stream(&s, NULL);
    container_close(&s.container);
    free(s.path);
    return found;
}

void source_destroy(struct source *s)
{
    if (s == NULL) return;
    av_frame_free(&s->picture);
    av_packet_free(&s->packet);
    avcodec_free_context(&s->codec);
    container_close(&s->container);
    free(s->path);
    free(s);
}

const char *source_kind(const struct source *s)
{
    return s->kind->words;
}

/* One packet into the codec, or the end of the file. */
static bool feed(struct source *s, struct error *err)
{
    int code = container_read(&s->container, s->packet);
    if (code == AVERROR_EOF) {
        s->drained = true;
        code = avcodec_send_packet(s->codec, NULL);
        return code >= 0 || fail(s, err, code, "draining");
    }
    if (code < 0) return fail(s, err, code, "reading");
    bool ours = s->packet->stream_index == s->stream;
    bool damaged = (s->packet->flags & AV_PKT_FLAG_CORRUPT) != 0;
    if (ours && !damaged) code = avcodec_send_packet(s->codec, s->packet);
    av_packet_unref(s->packet);
    if (ours && damaged) return refuse(s, err, "a damaged packet");
    return code >= 0 || fail_at_picture(s, err, code);
}

static bool check_size(struct source *s, struct error *err)
{
    const AVFrame *p = s->picture;
    if (s->count > 0) {
        return (p->width == s->width && p->height == s->height) ||
               refuse(s, err, "the size changes");
    }
    s->width = p->width;
    s->height = p->height;
    if (p->width >= SOURCE_SIDE_MIN && p->width <= SOURCE_SIDE_MAX &&
        p->height >= SOURCE_SIDE_MIN && p->height <= SOURCE_SIDE_MAX &&
        (int64_t)p->width * p->height <= SOURCE_PIXELS_MAX) {
        return true;
    }
    return error_set(err, ERROR_INVALID,
                     "%s: %dx%d pixels are outside of what is taken: sides from %d to %d, at most "
                     "%lld pixels",
                     s->kind->words, p->width, p->height, SOURCE_SIDE_MIN, SOURCE_SIDE_MAX,
                     (long long)SOURCE_PIXELS_MAX);
}

/* An image has no time; a video's picture without one cannot be placed. */
static bool check_time(struct source *s, struct error *err)
{
    int64_t pts = s->picture->best_effort_timestamp;
    if (pts == AV_NOPTS_VALUE && s->count > 0) return refuse(s, err, "a picture without a time");
    if (pts == AV_NOPTS_VALUE) pts = 0;
    if (s->count == 0) s->first_pts = pts;
    if (s->count > 0 && pts <= s->last_pts) return refuse(s, err, "pictures out of order");
    s->last_pts = pts;
    return true;
}

static bool check_picture(struct source *s, struct error *err)
{
    const AVFrame *p = s->picture;
    if ((p->flags & AV_FRAME_FLAG_CORRUPT) != 0 || p->decode_error_flags != 0) {
        char why[64];
        (void)snprintf(why, sizeof(why), "picture %lld is damaged", (long long)s->count);
        return refuse(s, err, why);
    }
    if (!check_size(s, err) || !check_time(s, err)) return false;
    s->count++;
    return true;
}

static const AVFrame *at_end(const struct source *s, bool *end, struct error *err)
{
    *end = s->count > 0;
    if (!*end) (void)refuse(s, err, "there is no picture in it");
    return NULL;
}

const AVFrame *source_next(struct source *s, bool *end, struct error *err)
{
    *end = false;
    for (;;) {
        int code = avcodec_receive_frame(s->codec, s->picture);
        if (code == 0) return check_picture(s, err) ? s->picture : NULL;
        if (code == AVERROR_EOF) return at_end(s, end, err);
        if (code != AVERROR(EAGAIN) || s->drained) {
            (void)fail_at_picture(s, err, code);
            return NULL;
        }
        if (!feed(s, err)) return NULL;
    }
}

int64_t source_time(const struct source *s)
{
    return s->last_pts - s->first_pts;
}

AVRational source_time_base(const struct source *s)
{
    return s->container.file->streams[s->stream]->time_base;
}

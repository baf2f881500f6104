/* Decoding of sound. */
#include "media/sound.h"

#include <libavcodec/avcodec.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "media/container.h"
#include "media/file_kind.h"
#include "media/libav.h"

/* The one decoder of each kind of stream. */
static const struct {
    enum AVCodecID id;
    const char *decoder;
} codecs[] = {
    {AV_CODEC_ID_AAC, "aac"},
    {AV_CODEC_ID_MP3, "mp3float"},
    {AV_CODEC_ID_VORBIS, "vorbis"},
    {AV_CODEC_ID_OPUS, "opus"},
    {AV_CODEC_ID_FLAC, "flac"},
    {AV_CODEC_ID_ALAC, "alac"},
    {AV_CODEC_ID_PCM_U8, "pcm_u8"},
    {AV_CODEC_ID_PCM_S16LE, "pcm_s16le"},
    {AV_CODEC_ID_PCM_S16BE, "pcm_s16be"},
    {AV_CODEC_ID_PCM_S24LE, "pcm_s24le"},
    {AV_CODEC_ID_PCM_S32LE, "pcm_s32le"},
    {AV_CODEC_ID_PCM_F32LE, "pcm_f32le"},
};

struct sound {
    char *path;
    const struct file_kind *kind;
    struct container container;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    int stream;
    int64_t samples;                 /* given out */
    int format, rate, channel_count; /* of the first piece */
    bool drained;
};

static bool refuse(const struct sound *s, struct error *err, const char *why)
{
    return error_set(err, ERROR_INVALID, "%s: %s", s->kind != NULL ? s->kind->words : "the file",
                     why);
}

static bool fail(const struct sound *s, struct error *err, int code, const char *what)
{
    (void)libav_error(err, code, "%s: %s", s->kind->words, what);
    bool reading = container_failed_to_read(&s->container);
    if (err != NULL && !reading && code != AVERROR(ENOMEM)) err->code = ERROR_INVALID;
    return false;
}

static bool read_kind(struct sound *s, struct error *err)
{
    if (!file_kind_read(s->path, &s->kind, err)) return false;
    return (s->kind != NULL && s->kind->sound) ||
           refuse(
               s, err,
               "no sound (WAV, FLAC, MP3, AAC, Ogg, or a video with a track) by its first bytes");
}

static bool open_container(struct sound *s, struct error *err)
{
    int code = container_open(&s->container, s->path, s->kind->demuxer, 0);
    if (code == AVERROR_DEMUXER_NOT_FOUND)
        return error_set(err, ERROR_REFUSED, "no demuxer for %s", s->kind->words);
    return code >= 0 || fail(s, err, code, "opening");
}

static const char *decoder_of(enum AVCodecID id)
{
    for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
        if (codecs[i].id == id) return codecs[i].decoder;
    return NULL;
}

static bool choose_stream(struct sound *s, struct error *err)
{
    s->stream = -1;
    for (unsigned i = 0; i < s->container.file->nb_streams; i++) {
        AVStream *stream = s->container.file->streams[i];
        if (stream->codecpar->codec_type == AVMEDIA_TYPE_AUDIO && s->stream < 0)
            s->stream = (int)i;
        else
            stream->discard = AVDISCARD_ALL;
    }
    return s->stream >= 0 || refuse(s, err, "there is no sound in it");
}

static bool open_codec(struct sound *s, struct error *err)
{
    const AVStream *stream = s->container.file->streams[s->stream];
    const char *name = decoder_of(stream->codecpar->codec_id);
    if (name == NULL)
        return refuse(s, err,
                      "its sound is coded in a way that is not taken: PCM, FLAC, ALAC, MP3, AAC, "
                      "Vorbis or Opus are");
    const AVCodec *codec = avcodec_find_decoder_by_name(name);
    if (codec == NULL) return error_set(err, ERROR_REFUSED, "no decoder for %s", name);
    s->codec = avcodec_alloc_context3(codec);
    s->packet = av_packet_alloc();
    s->frame = av_frame_alloc();
    if (s->codec == NULL || s->packet == NULL || s->frame == NULL)
        return error_set(err, ERROR_NO_MEMORY, "decoder for %s", s->path);
    int code = avcodec_parameters_to_context(s->codec, stream->codecpar);
    s->codec->thread_count = 1;
    s->codec->flags |= AV_CODEC_FLAG_BITEXACT;
    s->codec->pkt_timebase = stream->time_base;
    if (code >= 0) code = avcodec_open2(s->codec, codec, NULL);
    return code >= 0 || fail(s, err, code, "opening the codec");
}

struct sound *sound_open(const char *path, struct error *err)
{
    struct sound *s = xcalloc(1, sizeof *s);
    s->path = xstrdup(path);
    if (read_kind(s, err) && open_container(s, err) && choose_stream(s, err) && open_codec(s, err))
        return s;
    sound_destroy(s);
    return NULL;
}

void sound_destroy(struct sound *s)
{
    if (s == NULL) return;
    av_frame_free(&s->frame);
    av_packet_free(&s->packet);
    avcodec_free_context(&s->codec);
    container_close(&s->container);
    free(s->path);
    free(s);
}

const char *sound_kind(const struct sound *s)
{
    return s->kind->words;
}

/* One packet into the codec, or the end of the file. What is damaged is skipped. */
static bool feed(struct sound *s, struct error *err)
{
    int code = container_read(&s->container, s->packet);
    if (code == AVERROR_EOF) {
        s->drained = true;
        code = avcodec_send_packet(s->codec, NULL);
        return code >= 0 || fail(s, err, code, "draining");
    }
    if (code < 0) return fail(s, err, code, "reading");
    if (s->packet->stream_index == s->stream) code = avcodec_send_packet(s->codec, s->packet);
    av_packet_unref(s->packet);
    return code >= 0 || code == AVERROR_INVALIDDATA || fail(s, err, code, "decoding");
}

static bool check_first(struct sound *s, struct error *err)
{
    const AVFrame *f = s->frame;
    s->rate = f->sample_rate;
    s->format = f->format;
    s->channel_count = f->ch_layout.nb_channels;
    if (s->rate >= SOUND_RATE_MIN && s->rate <= SOUND_RATE_MAX && s->channel_count >= 1 &&
        s->channel_count <= SOUND_CHANNELS_MAX)
        return true;
    return error_set(err, ERROR_INVALID,
                     "%s: %d Hz and %d channels are outside of what is taken: %d to %d Hz, at most "
                     "%d channels",
                     s->kind->words, s->rate, s->channel_count, SOUND_RATE_MIN, SOUND_RATE_MAX,
                     SOUND_CHANNELS_MAX);
}

static bool check_frame(struct sound *s, struct error *err)
{
    const AVFrame *f = s->frame;
    if (s->samples == 0 && !check_first(s, err)) return false;
    if (f->sample_rate != s->rate || f->format != s->format ||
        f->ch_layout.nb_channels != s->channel_count)
        return refuse(s, err, "its rate or its channels change");
    s->samples += f->nb_samples;
    return true;
}

static const AVFrame *at_end(const struct sound *s, bool *end, struct error *err)
{
    *end = s->samples > 0;
    if (!*end) (void)refuse(s, err, "there is no sound in it");
    return NULL;
}

const AVFrame *sound_next(struct sound *s, bool *end, struct error *err)
{
    *end = false;
    for (;;) {
        int code = avcodec_receive_frame(s->codec, s->frame);
        if (code == 0 && s->frame->nb_samples > 0) return check_frame(s, err) ? s->frame : NULL;
        if (code == AVERROR_EOF) return at_end(s, end, err);
        if (code == 0 || code == AVERROR_INVALIDDATA) continue;
        if (code != AVERROR(EAGAIN) || s->drained) {
            (void)fail(s, err, code, "decoding");
            return NULL;
        }
        if (!feed(s, err)) return NULL;
    }
}

static bool count_samples(struct sound *s, struct error *err)
{
    for (;;) {
        bool end = false;
        if (sound_next(s, &end, err) == NULL) return end;
        if (s->samples / s->rate >= SOUND_SECONDS_MAX)
            return error_set(err, ERROR_INVALID, "%s: longer than %d s: cut it", s->kind->words,
                             SOUND_SECONDS_MAX);
    }
}

bool sound_measure(const char *path, struct sound_info *out, struct error *err)
{
    struct sound *s = sound_open(path, err);
    bool ok = s != NULL && count_samples(s, err);
    if (ok) *out = (struct sound_info){s->kind->words, s->rate, s->channel_count, s->samples};
    sound_destroy(s);
    return ok;
}

/* decoder -> filters (rate, channels, exact length, pieces of 1,024 samples) -> encoder. */
#include "media/sound_track.h"

#include <inttypes.h>
#include <libavutil/mathematics.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/xalloc.h"
#include "media/filter_graph.h"
#include "media/libav.h"
#include "media/sound.h"

#define BITS_PER_CHANNEL 96000

struct sound_track {
    struct sound *sound;
    const AVFrame *piece; /* the sound's last one, not yet in the graph; NULL: none */
    bool ended, drained;  /* the sound; the codec */
    int channels;
    int64_t wanted, made; /* samples */
    struct filter_graph *graph;
    AVCodecContext *codec;
    AVFrame *frame;
    AVPacket *packet;
};

int64_t sound_track_samples(struct frames_rate rate, int64_t count)
{
    return av_rescale_q(count, (AVRational){rate.den, rate.num}, (AVRational){1, SOUND_TRACK_RATE});
}

static bool fail(struct error *err, int code, const char *what)
{
    return libav_error(err, code, "the sound: %s", what);
}

/* ---- filters ---- */

/* A layout without an order ("2 channels") has no name that the filter takes. */
static int name_layout(const AVFrame *piece, char *out, size_t room)
{
    if (piece->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        return snprintf(out, room, "%dc", piece->ch_layout.nb_channels);
    return av_channel_layout_describe(&piece->ch_layout, out, room);
}

static bool open_graph(struct sound_track *t, struct error *err)
{
    char arguments[256], text[256], layout[64];
    const AVFrame *p = t->piece;
    int code = name_layout(p, layout, sizeof layout);
    if (code < 0) return fail(err, code, "channels");
    (void)snprintf(arguments, sizeof arguments,
                   "sample_rate=%d:sample_fmt=%d:time_base=1/%d:channel_layout=%s", p->sample_rate,
                   p->format, p->sample_rate, layout);
    (void)snprintf(text, sizeof text,
                   "aresample=%d,aformat=sample_fmts=fltp:channel_layouts=%s,apad,"
                   "atrim=end_sample=%" PRId64 ",asetnsamples=n=%d:p=0",
                   SOUND_TRACK_RATE, t->channels == 1 ? "mono" : "stereo", t->wanted,
                   SOUND_TRACK_PACKET);
    t->graph = filter_graph_open(FILTER_GRAPH_AUDIO, arguments, text, "the sound", err);
    return t->graph != NULL;
}

/* ---- codec ---- */

static bool open_codec(struct sound_track *t, struct error *err)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("aac");
    if (codec == NULL) return error_set(err, ERROR_REFUSED, "the installed libavcodec has no aac");
    t->codec = avcodec_alloc_context3(codec);
    if (t->codec == NULL) return error_set(err, ERROR_NO_MEMORY, "codec context");
    AVCodecContext *c = t->codec;
    c->sample_fmt = AV_SAMPLE_FMT_FLTP;
    c->sample_rate = SOUND_TRACK_RATE;
    av_channel_layout_default(&c->ch_layout, t->channels);
    c->bit_rate = (int64_t)BITS_PER_CHANNEL * t->channels;
    c->time_base = (AVRational){1, SOUND_TRACK_RATE};
    c->thread_count = 1;
    c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
    int code = avcodec_open2(c, codec, NULL);
    return code >= 0 || fail(err, code, "opening aac");
}

static bool open_all(struct sound_track *t, const char *path, struct error *err)
{
    bool end = false;
    t->sound = sound_open(path, err);
    if (t->sound == NULL) return false;
    t->piece = sound_next(t->sound, &end, err);
    if (t->piece == NULL) return false;
    t->channels = t->piece->ch_layout.nb_channels == 1 ? 1 : 2;
    t->frame = av_frame_alloc();
    t->packet = av_packet_alloc();
    if (t->frame == NULL || t->packet == NULL) return error_set(err, ERROR_NO_MEMORY, "a packet");
    return open_graph(t, err) && open_codec(t, err);
}

struct sound_track *sound_track_open(const char *path, int64_t samples, struct error *err)
{
    struct sound_track *t = xcalloc(1, sizeof *t);
    t->wanted = samples;
    const int flags = libav_plain_begin();
    bool ok = open_all(t, path, err);
    libav_plain_end(flags);
    if (ok) return t;
    sound_track_destroy(t);
    return NULL;
}

void sound_track_destroy(struct sound_track *t)
{
    if (t == NULL) return;
    filter_graph_close(t->graph);
    avcodec_free_context(&t->codec);
    av_frame_free(&t->frame);
    av_packet_free(&t->packet);
    sound_destroy(t->sound);
    free(t);
}

const AVCodecContext *sound_track_codec(const struct sound_track *t)
{
    return t->codec;
}

/* ---- packets ---- */

/* One piece of the sound into the graph, or its end. */
static bool feed(struct sound_track *t, struct error *err)
{
    bool end = false;
    if (t->piece == NULL) t->piece = sound_next(t->sound, &end, err);
    if (t->piece == NULL && !end) return false;
    t->ended = end;
    int code = filter_graph_push(t->graph, t->piece);
    t->piece = NULL;
    return code >= 0 || code == AVERROR_EOF || fail(err, code, "filtering");
}

/* Fills t->frame; *end when the length is reached. */
static bool next_frame(struct sound_track *t, bool *end, struct error *err)
{
    for (;;) {
        int code = filter_graph_take(t->graph, t->frame);
        *end = code == AVERROR_EOF;
        if (code >= 0 || *end) return true;
        if (code != AVERROR(EAGAIN) || t->ended) return fail(err, code, "filtering");
        if (!feed(t, err)) return false;
    }
}

static bool take_packets(struct sound_track *t, sound_track_sink sink, void *context,
                         struct error *err)
{
    for (;;) {
        int code = avcodec_receive_packet(t->codec, t->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF) return true;
        if (code < 0) return fail(err, code, "encoding");
        bool ok = sink(context, t->packet, err);
        av_packet_unref(t->packet);
        if (!ok) return false;
    }
}

static bool encode(struct sound_track *t, bool end, struct error *err)
{
    t->frame->pts = t->made;
    int code = avcodec_send_frame(t->codec, end ? NULL : t->frame);
    if (!end) t->made += t->frame->nb_samples;
    t->drained = end;
    av_frame_unref(t->frame);
    return code >= 0 || fail(err, code, "encoding");
}

bool sound_track_until(struct sound_track *t, int64_t sample, sound_track_sink sink, void *context,
                       struct error *err)
{
    while (!t->drained && (t->made < sample || sample >= t->wanted)) {
        bool end = false;
        if (!next_frame(t, &end, err) || !encode(t, end, err) ||
            !take_packets(t, sink, context, err))
            return false;
    }
    if (sample < t->wanted || t->made == t->wanted) return true;
    return error_set(err, ERROR_INTERNAL, "%" PRId64 " samples were made of %" PRId64, t->made,
                     t->wanted);
}

/* RGB24 into H.264. */
#include "media/mp4_writer.h"

#include <stdlib.h>

#include "base/xalloc.h"
#include "media/encoder.h"
#include "media/yuv.h"

struct mp4_writer {
    struct frames_shape shape; /* of the source */
    struct encoder *encoder;
    struct sound_track *sound; /* or NULL */
    int64_t pushed;
};

/* One thread and cpu-independent: x264 gives other bits for other thread counts and, without the
 * second, for other instruction sets. */
#define X264_EXACT "threads=1:lookahead-threads=1:cpu-independent=1"

/* Small pictures cost nothing, so nothing that trades flat colour for bits is left on. Measured on
 * 64x64 squares of eight strong colours on three grounds, decoded by ffmpeg as it comes: three
 * pixels or more from an edge all but one pixel in 100,000 are within 3/255, the worst is 4, and
 * beyond the edge's own block none is above 3. Two of the three are the decoder's truncation;
 * x264's defaults at the same crf reach 9. */
static const struct encoder_option small_options[] = {
    {"preset", "medium"},
    {"profile", "high"},
    {"crf", "12"},
    {"x264-params", X264_EXACT ":trellis=0:psy=0:fast-pskip=0:dct-decimate=0:mbtree=0:"
                               "chroma-qp-offset=-12"},
    {NULL, NULL},
};

/* The short look-ahead keeps 3840x2160 within a gigabyte. */
static const struct encoder_option large_options[] = {
    {"preset", "medium"},
    {"profile", "high"},
    {"crf", "14"},
    {"x264-params", X264_EXACT ":rc-lookahead=10:"
                               "chroma-qp-offset=-3"},
    {NULL, NULL},
};

#define SMALL_PIXELS_MAX INT64_C(262144) /* 512x512 */

static const struct encoder_option mp4_options[] = {
    {"movflags", "+faststart"},
    {NULL, NULL},
};

static struct encoder_format format_for(const struct frames_shape *shape)
{
    bool small = (int64_t)shape->width * shape->height <= SMALL_PIXELS_MAX;
    return (struct encoder_format){
        .container = "mp4",
        .codec = "libx264",
        .pixels = AV_PIX_FMT_YUV420P,
        .gop_pictures = 48, /* seeking stays quick in long clips */
        .range = AVCOL_RANGE_MPEG,
        .space = AVCOL_SPC_BT709,
        .codec_options = small ? small_options : large_options,
        .container_options = mp4_options,
    };
}

int mp4_even(int side)
{
    return side + side % 2;
}

struct mp4_writer *mp4_writer_open(const char *path, const struct frames_shape *shape,
                                   const struct clip_tags *tags, struct sound_track *sound,
                                   struct error *err)
{
    if (!frames_shape_check(shape, err)) return NULL;
    const struct encoder_option pairs[] = {
        {"title", tags->title}, {"comment", tags->comment}, {NULL, NULL}};
    struct frames_shape even = *shape;
    even.width = mp4_even(shape->width);
    even.height = mp4_even(shape->height);
    struct mp4_writer *w = xcalloc(1, sizeof(*w));
    w->shape = *shape;
    w->sound = sound;
    const struct encoder_format format = format_for(shape);
    w->encoder = encoder_open(path, &format, &even, pairs,
                              sound != NULL ? sound_track_codec(sound) : NULL, err);
    if (w->encoder != NULL) return w;
    mp4_writer_destroy(w);
    return NULL;
}

static bool write_sound(void *context, AVPacket *packet, struct error *err)
{
    return encoder_sound(context, packet, err);
}

/* Sound follows the pictures, so that a player finds both at the same place of the file. */
static bool follow(struct mp4_writer *w, int64_t sample, struct error *err)
{
    return w->sound == NULL || sound_track_until(w->sound, sample, write_sound, w->encoder, err);
}

bool mp4_writer_push(struct mp4_writer *w, const uint8_t *rgb, struct error *err)
{
    AVFrame *picture = encoder_picture(w->encoder, err);
    if (picture == NULL) return false;
    const struct yuv_planes planes = {
        .y = picture->data[0],
        .u = picture->data[1],
        .v = picture->data[2],
        .y_stride = picture->linesize[0],
        .uv_stride = picture->linesize[1],
    };
    yuv_from_rgb(rgb, w->shape.width, w->shape.height, &planes);
    w->pushed++;
    return encoder_push(w->encoder, err) &&
           follow(w, sound_track_samples(w->shape.rate, w->pushed), err);
}

bool mp4_writer_finish(struct mp4_writer *w, struct error *err)
{
    return follow(w, INT64_MAX, err) && encoder_finish(w->encoder, err);
}

void mp4_writer_destroy(struct mp4_writer *w)
{
    if (w == NULL) return;
    encoder_destroy(w->encoder);
    free(w);
}

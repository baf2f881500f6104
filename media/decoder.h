/* decoder: the pictures of a video file in order, from exactly one container and one codec;
 * whatever else the file is or contains is refused before anything tries to parse it. One thread,
 * no network, no nested files. Internal to the room. */
#ifndef ZOE_MEDIA_DECODER_H
#define ZOE_MEDIA_DECODER_H

#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

/* What is opened: one constant row a kind of file. */
struct decoder_format {
    const char *what;      /* in errors: "segment" */
    const char *container; /* demuxer name */
    enum AVCodecID codec_id;
    const char *codec;
    enum AVPixelFormat pixels;
    bool every_picture_key;
    bool sound; /* there may be a second stream, of sound, which is not looked at */
    bool (*packet_ok)(const uint8_t *packet, size_t size_bytes); /* NULL: anything */
};

extern const struct decoder_format decoder_segment; /* Matroska, FFV1, bgr0 */
extern const struct decoder_format decoder_mp4;     /* MP4, H.264, yuv420p */

struct decoder;

/* ERROR_INVALID when the file is not of that format, damaged, or larger than frames.h allows;
 * ERROR_NOT_FOUND, ERROR_IO, ERROR_NO_MEMORY. */
struct decoder *decoder_open(const char *path, const struct decoder_format *format,
                             struct error *err);

int decoder_width(const struct decoder *d);
int decoder_height(const struct decoder *d);
AVRational decoder_rate(const struct decoder *d);          /* as the container says */
int64_t decoder_announced_frames(const struct decoder *d); /* 0 = the container does not say */
double decoder_announced_seconds(const struct decoder *d); /* likewise */
bool decoder_has_sound(const struct decoder *d);           /* a second stream, see `sound` */
const char *decoder_tag(const struct decoder *d, const char *name); /* borrowed or NULL */

/* The next picture: borrowed until the next call; its pts is in units of decoder_time_base. NULL at
 * the end (*end true) and on errors (*end false). Every picture has the size and pixel format of
 * the file and a later pts than the one before. */
const AVFrame *decoder_next(struct decoder *d, bool *end, struct error *err);
AVRational decoder_time_base(const struct decoder *d);

void decoder_destroy(struct decoder *d); /* NULL is fine */

#endif

/* encoder: one video stream into one file, whatever codec and container. The caller fills the
 * picture it is lent, pushes it, and finishes; the n-th pushed picture is shown at n / rate. Runs
 * on one thread and writes nothing that differs between two runs. Internal to the room. */
#ifndef ZOE_MEDIA_ENCODER_H
#define ZOE_MEDIA_ENCODER_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

struct encoder_option {
    const char *name;
    const char *value;
};

/* How a file format is written: one constant row each. Lists end with a NULL name. */
struct encoder_format {
    const char *container; /* muxer name */
    const char *codec;     /* encoder name */
    enum AVPixelFormat pixels;
    int level, gop_pictures; /* 0: the codec's own */
    enum AVColorRange range;
    enum AVColorSpace space; /* with BT709 all three colour tags are set */
    const struct encoder_option *codec_options;
    const struct encoder_option *container_options;
};

struct encoder;

/* `sound` (NULL: none) is the codec of a second stream, whose packets come by encoder_sound.
 * Creates (or truncates) `path`. `tags` (NULL-terminated names, or NULL) become the file's
 * metadata. `shape` must have been checked; its count is not used. */
struct encoder *encoder_open(const char *path, const struct encoder_format *format,
                             const struct frames_shape *shape, const struct encoder_option *tags,
                             const AVCodecContext *sound, struct error *err);

/* The picture to fill next: borrowed, writable, valid until the next push. NULL with `err`. */
AVFrame *encoder_picture(struct encoder *e, struct error *err);
bool encoder_push(struct encoder *e, struct error *err);

/* A packet of the sound, its times in the sound codec's time base. */
bool encoder_sound(struct encoder *e, AVPacket *packet, struct error *err);

/* Drains the codec, ends the file, fsyncs it. The encoder takes nothing more. */
bool encoder_finish(struct encoder *e, struct error *err);

/* Frees; removes the file unless it was finished. NULL is fine. */
void encoder_destroy(struct encoder *e);

#endif

/* mp4_check: reopens an MP4 of ours and decodes all of it: what it holds, and whether that is what
 * was meant to be published. */
#ifndef ZOE_MEDIA_MP4_CHECK_H
#define ZOE_MEDIA_MP4_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/frames.h"

struct mp4_info {
    struct frames_shape shape; /* counted by decoding; the size is the encoded, even one */
    double announced_seconds;  /* what the container says */
    int64_t sound_samples;     /* of each channel, counted by decoding; 0: no sound */
    int sound_rate, sound_channels;
    char *title, *comment; /* owned; "" when absent */
    struct digest sha256;  /* of the file */
    uint64_t size_bytes;
};

/* Decodes every picture: H.264, yuv420p, one stream and perhaps one of sound, evenly spaced times
 * from 0. ERROR_INVALID names what is wrong. On success `out` must be given to mp4_info_finish. */
bool mp4_check_read(const char *path, struct mp4_info *out, struct error *err);

/* ERROR_CORRUPT when the file is other than `want` (even size, rate, exact count, duration). */
bool mp4_check_against(const struct mp4_info *info, const struct frames_shape *want,
                       struct error *err);

/* ERROR_CORRUPT unless its sound is `samples` long at SOUND_TRACK_RATE, to a packet's length; 0:
 * unless it has none. */
bool mp4_check_sound(const struct mp4_info *info, int64_t samples, struct error *err);

void mp4_info_finish(struct mp4_info *info);

#endif

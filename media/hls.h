/* hls: a published MP4 becomes the next part of a stream that players follow while it grows: an
 * MPEG-TS file whose times go on where the part before ended. Packets are copied, nothing is
 * encoded again. The playlist is written by whoever runs the stream. Runs in the media child.
 * (Source: RFC 8216; ISO 13818-1 for the clock of 90 kHz.) */
#ifndef ZOE_MEDIA_HLS_H
#define ZOE_MEDIA_HLS_H

#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

#define HLS_INDEX_MAX 999999
/* Times count from here, so that none is below zero; about 26 hours later they wrap around. */
#define HLS_START_S 1

struct hls_part {
    char name[16]; /* "000012.ts" */
    int64_t frames;
    struct frames_rate rate;
};

/* Writes FOLDER/NAME: it appears by rename, fsynced, its folder too. Its first frame is shown
 * `offset_frames` frames after the beginning of the stream. ERROR_INVALID: no MP4 of ours;
 * ERROR_FULL, ERROR_IO. */
bool hls_write(const char *mp4, const char *folder, int64_t index, int64_t offset_frames,
               struct hls_part *out, struct error *err);

#endif

/* stitch: the segments of a clip, in order, into one checked file: an MP4 or, of one frame, a PNG,
 * as the name's extension says. Memory is independent of the clip's length. Runs in the media
 * child. */
#ifndef ZOE_MEDIA_STITCH_H
#define ZOE_MEDIA_STITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/clip_tags.h"
#include "media/frames.h"

struct stitch_job { /* everything borrowed */
    const char *out_path;
    struct frames_shape shape; /* of every segment; count = frames of the whole clip */
    struct clip_tags tags;
    const char *const *segments;
    int segment_count;
};

struct stitch_result {
    struct digest sha256; /* of the file */
    int width, height;    /* of its pictures: those of an MP4 are padded to even */
    uint64_t size_bytes;
    struct digest frames_sha256; /* of the source frames */
    int luma_max;
    const char *suspect; /* as in survey.h; static */
};

/* Decodes, encodes, fsyncs, reopens the file and decodes it again. ERROR_USAGE: no known extension.
 * ERROR_INVALID: a segment or the total count is wrong. ERROR_FULL: no space; try again later.
 * ERROR_CORRUPT: the file came out wrong. On failure none is left. */
bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err);

#endif

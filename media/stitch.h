/* stitch: the segments of a clip, in order, into one checked MP4. Memory is independent of the
 * clip's length. Runs in the media child. */
#ifndef ZOE_MEDIA_STITCH_H
#define ZOE_MEDIA_STITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/frames.h"
#include "media/mp4_writer.h"

struct stitch_job { /* everything borrowed */
    const char *out_path;
    struct frames_shape shape; /* of every segment; count = frames of the whole clip */
    struct mp4_tags tags;
    const char *const *segments;
    int segment_count;
};

struct stitch_result {
    struct digest sha256; /* of the MP4 */
    uint64_t size_bytes;
    struct digest frames_sha256; /* of the source frames */
    int luma_max;
    const char *suspect; /* as in survey.h; static */
};

/* Decodes, encodes, fsyncs, reopens the MP4 and decodes it again. ERROR_INVALID: a segment or the
 * total count is wrong. ERROR_FULL: no space; try again later. ERROR_CORRUPT: the MP4 came out
 * wrong. On failure no file is left. */
bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err);

#endif

/* stitch: the segments of a clip, in order, into one checked file: an MP4 or, of one frame, a PNG,
 * as the name's extension says. Memory is independent of the clip's length: one segment is open at
 * a time, one picture is held. Runs in the media child. */
#ifndef ZOE_MEDIA_STITCH_H
#define ZOE_MEDIA_STITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/clip_tags.h"
#include "media/frames.h"

/* What a segment has to be. */
struct stitch_fact {
    int64_t frames;              /* FRAMES_COUNT_ANY: not known */
    int64_t first;               /* its first frame in the clip; STITCH_FIRST_ANY: not known */
    const char *place;           /* its tag (segment_writer.h); NULL: not compared */
    struct digest frames_sha256; /* of its RGB frames; zero: not compared */
};
#define STITCH_FIRST_ANY INT64_C(-1)

struct stitch_job { /* everything borrowed */
    const char *out_path;
    struct frames_shape shape; /* of every segment; count = frames of the whole clip */
    struct clip_tags tags;
    const char *const *segments;
    int segment_count;
    const struct stitch_fact *facts; /* one a segment; NULL: nothing is known */
    const char *before;              /* a video whose first frames come first, or NULL */
    int64_t before_frames;           /* how many of it */
    const char *audio;               /* a file whose sound the clip gets, or NULL; MP4 only */
    struct frames_rate output_rate;  /* of the file; {0, 0}: the shape's. MP4 only, as the rest */
    int output_width, output_height; /* even; 0: the shape's */
};

#define STITCH_BAD_MAX 1024

struct stitch_result {
    struct digest sha256;       /* of the file */
    int width, height;          /* of its pictures: those of an MP4 are padded to even */
    struct frames_shape output; /* before padding; count and rate as well */
    double audio_seconds;       /* as decoded; 0: no sound */
    uint64_t size_bytes;
    struct digest frames_sha256; /* of the source frames */
    int luma_max;
    const char *suspect; /* as in survey.h; static */
    /* On failure: the segments that are not what they have to be, ascending; of more than
     * STITCH_BAD_MAX the first ones. */
    int bad[STITCH_BAD_MAX], bad_count;
};

/* Size, rate and number of frames of the file, before padding. */
struct frames_shape stitch_output_shape(const struct stitch_job *job);

/* Decodes, encodes, fsyncs, reopens the file and decodes it again. After a bad segment the others
 * are still looked at, so that one try finds all of them; `err` tells of the first.
 * ERROR_USAGE: no known extension. ERROR_INVALID: a segment, their order or the total count is
 * wrong; ERROR_NOT_FOUND, ERROR_IO: a segment cannot be read. ERROR_FULL: no space; try again
 * later. ERROR_CORRUPT: the file came out wrong. On failure none is left. */
bool stitch_run(const struct stitch_job *job, struct stitch_result *out, struct error *err);

#endif

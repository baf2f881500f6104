/* segment_writer: frames into a lossless segment file: FFV1 level 3 in Matroska, pixels bgr0, a CRC
 * in every slice, every picture a key picture. The same frames give the same bytes.
 *
 *     struct segment_writer *w = segment_writer_open(path, &shape, err);
 *     segment_writer_push(w, rgb, err);             one call a picture, shape.count times
 *     segment_writer_finish(w, &result, err);       the file is complete and fsynced (not its
 * folder) segment_writer_destroy(w);                    always; removes the file unless it was
 * finished
 *
 * One thread at a time. The file is written in place, so write to a temporary name and rename. */
#ifndef ZOE_MEDIA_SEGMENT_WRITER_H
#define ZOE_MEDIA_SEGMENT_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/frames.h"

#define SEGMENT_PLACE_TAG "ZOETROPE_PLACE"
#define SEGMENT_PLACE_MAX 127

struct segment_writer;

struct segment_result {
    int64_t frames;
    uint64_t size_bytes;
    struct digest sha256;        /* of the file */
    struct digest frames_sha256; /* of the RGB bytes of all pictures in order */
    int luma_max;
    const char *suspect; /* "", "black" or "still"; static */
};

/* NULL with `err`: a shape out of range, a path that cannot be written, a full disk (ERROR_FULL).
 */
struct segment_writer *segment_writer_open(const char *path, const struct frames_shape *shape,
                                           struct error *err);
/* The same for one of a clip's several segments: `place` (base/plan.h; at most SEGMENT_PLACE_MAX
 * bytes, not empty) stands in the file as the tag SEGMENT_PLACE_TAG, so that it is never taken for
 * another. */
struct segment_writer *segment_writer_open_at(const char *path, const struct frames_shape *shape,
                                              const char *place, struct error *err);

/* `rgb` holds frames_size_bytes(shape) bytes and is only read. */
bool segment_writer_push(struct segment_writer *w, const uint8_t *rgb, struct error *err);

/* Fails when other than shape.count pictures were pushed (any number above 0 with
 * FRAMES_COUNT_ANY). */
bool segment_writer_finish(struct segment_writer *w, struct segment_result *out, struct error *err);

void segment_writer_destroy(struct segment_writer *w); /* NULL is fine */

#endif

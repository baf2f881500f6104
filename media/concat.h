/* concat: segments, in order, into one lossless file of the same kind, without a place. Memory is
 * independent of the length. Runs in the media child. */
#ifndef ZOE_MEDIA_CONCAT_H
#define ZOE_MEDIA_CONCAT_H

#include "base/error.h"
#include "media/frames.h"
#include "media/segment_writer.h"

/* All have the size and the rate of the first, which come back in `shape` with the count. The file
 * appears by rename, whole, fsynced, and read again: its frames are those of the segments.
 * ERROR_INVALID: a segment is damaged or of another shape; ERROR_CORRUPT: the file came out wrong;
 * otherwise as segment_writer. */
bool concat_run(const char *const *segments, int count, const char *out_path,
                struct frames_shape *shape, struct segment_result *result, struct error *err);

#endif

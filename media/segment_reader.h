/* segment_reader: the frames of a segment file, or the reason why it is none. Only Matroska with
 * FFV1 is opened; structure, lengths, checksums, sizes, times and the number of frames must all be
 * right, and nothing may be left over. Memory is independent of the number of frames. One thread at
 * a time.
 *
 *     struct segment_reader *r = segment_reader_open(path, &shape, err);
 *     while (segment_reader_next(r, rgb, &end, err) && !end) ...
 *     segment_reader_destroy(r); */
#ifndef ZOE_MEDIA_SEGMENT_READER_H
#define ZOE_MEDIA_SEGMENT_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

struct segment_reader;

/* `shape` is what the file has to hold; with FRAMES_COUNT_ANY any number of frames above 0 is
 * right. ERROR_INVALID = the file is to be rejected, and says why; ERROR_NOT_FOUND, ERROR_IO,
 * ERROR_NO_MEMORY = no verdict on the file. */
struct segment_reader *segment_reader_open(const char *path, const struct frames_shape *shape,
                                           struct error *err);

/* The size and the rate that a segment file announces; count is FRAMES_COUNT_ANY. */
bool segment_reader_measure(const char *path, struct frames_shape *out, struct error *err);

/* Fills `rgb` (frames_size_bytes(shape)) with the next frame, or sets *end after the last one, when
 * the whole file has proved sound. */
bool segment_reader_next(struct segment_reader *r, uint8_t *rgb, bool *end, struct error *err);

/* The place that its writer gave it (segment_writer.h), "" when none; borrowed. */
const char *segment_reader_place(const struct segment_reader *r);
/* ERROR_INVALID that names both unless the file says that it is `place`. */
bool segment_reader_is_at(const struct segment_reader *r, const char *place, struct error *err);

void segment_reader_destroy(struct segment_reader *r); /* NULL is fine */

#endif

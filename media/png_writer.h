/* png_writer: one picture into a PNG: 8 bits, RGB, every pixel as it is, its texts as png_chunks
 * says. The same picture and tags give the same bytes with the same build of libavcodec and zlib.
 * Used like mp4_writer; one thread at a time. */
#ifndef ZOE_MEDIA_PNG_WRITER_H
#define ZOE_MEDIA_PNG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/clip_tags.h"
#include "media/frames.h"

struct png_writer;

/* The shape's count is 1, or ERROR_INVALID. `tags` are borrowed until finish. */
struct png_writer *png_writer_open(const char *path, const struct frames_shape *shape,
                                   const struct clip_tags *tags, struct error *err);
bool png_writer_push(struct png_writer *w, const uint8_t *rgb, struct error *err);
/* Complete and fsynced. */
bool png_writer_finish(struct png_writer *w, struct error *err);
void png_writer_destroy(struct png_writer *w); /* removes the file unless finished; NULL is fine */

#endif

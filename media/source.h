/* source: the pictures of a file that a person brings as a start or a mask: video or image, of the
 * kinds in a table and of nothing else. The file's first bytes choose the one demuxer that may look
 * at it, the demuxer's stream the one decoder. One thread, no network, no nested files; a damaged
 * picture ends it. Sound and further streams are skipped. Internal to the room.
 *
 * Rotation tags and pixels that are not square are not heeded. */
#ifndef ZOE_MEDIA_SOURCE_H
#define ZOE_MEDIA_SOURCE_H

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SOURCE_SIDE_MIN 8
#define SOURCE_SIDE_MAX 8192
#define SOURCE_PIXELS_MAX (INT64_C(1) << 25) /* of a picture: 7680x4320 fits */
#define SOURCE_FRAMES_MAX INT64_C(18000)
#define SOURCE_SECONDS_MAX INT64_C(600)

/* Name of the demuxer for a file that begins so ("mov", "matroska", "avi", "gif", "png_pipe",
 * "jpeg_pipe", "webp_pipe"), or NULL. Pure. */
const char *source_demuxer(const uint8_t *head, size_t size);

/* Is there a stream of pictures in it, sound or damaged? */
bool source_has_pictures(const char *path);

struct source;

/* ERROR_INVALID: none of the known kinds, damaged, or no picture in it; ERROR_NOT_FOUND, ERROR_IO,
 * ERROR_NO_MEMORY. */
struct source *source_open(const char *path, struct error *err);
void source_destroy(struct source *s); /* NULL is fine */

const char *source_kind(const struct source *s); /* of the container, for people: "MP4", "PNG" */

/* The next picture in the order in which they are shown, borrowed until the next call. NULL at the
 * end (*end true) and on errors. All have one size within the limits; each is later than the one
 * before. */
const AVFrame *source_next(struct source *s, bool *end, struct error *err);
/* When the last picture is shown, counted from the first one, in units of source_time_base. */
int64_t source_time(const struct source *s);
AVRational source_time_base(const struct source *s);

#endif

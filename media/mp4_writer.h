/* mp4_writer: frames into an MP4 that plays everywhere: H.264 high profile, yuv420p, BT.709 limited
 * (in conversion and in tags), index in front, constant frame rate. The same frames and tags give
 * the same bytes with the same build of libavformat and libx264, on any processor. Sizes are padded
 * to even ones. One thread at a time; used like segment_writer. */
#ifndef ZOE_MEDIA_MP4_WRITER_H
#define ZOE_MEDIA_MP4_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/clip_tags.h"
#include "media/frames.h"
#include "media/sound_track.h"

struct mp4_writer;

/* Size of the encoded picture: the shape's, rounded up to even numbers. */
int mp4_even(int side);

/* `sound`, made for the length of all pictures, is borrowed; NULL: none. */
struct mp4_writer *mp4_writer_open(const char *path, const struct frames_shape *shape,
                                   const struct clip_tags *tags, struct sound_track *sound,
                                   struct error *err);
bool mp4_writer_push(struct mp4_writer *w, const uint8_t *rgb, struct error *err);
/* Complete and fsynced (not its folder). */
bool mp4_writer_finish(struct mp4_writer *w, struct error *err);
void mp4_writer_destroy(struct mp4_writer *w); /* removes the file unless finished; NULL is fine */

#endif

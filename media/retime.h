/* retime: pictures at another rate, of another size, or both, by libavfilter: minterpolate (motion
 * compensated; where the scene changes it repeats instead) and scale (Lanczos). One thread, the
 * same bits on every processor. A few pictures are held, whatever the length. Internal to the room.
 *
 * Source picture i is shown at i / in.rate, result k at k / out.rate; the last source picture stays
 * until the end. */
#ifndef ZOE_MEDIA_RETIME_H
#define ZOE_MEDIA_RETIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

#define RETIME_SIDE_MIN 32 /* of the source, to look for motion in it */

/* Takes a finished picture of the out shape, in order. */
typedef bool (*retime_sink)(void *context, const uint8_t *rgb, struct error *err);

/* How many pictures of rate `to` last as long as `count` of rate `from`, to the nearest; >= 1. */
int64_t retime_count(int64_t count, struct frames_rate from, struct frames_rate to);

struct retime;

/* `out->count` pictures will be made. ERROR_REFUSED: the source is too small to interpolate, or the
 * installed libavfilter has no such filter. */
struct retime *retime_create(const struct frames_shape *in, const struct frames_shape *out,
                             retime_sink sink, void *context, struct error *err);
/* One picture of the in shape; the sink is called for whatever is finished. */
bool retime_push(struct retime *r, const uint8_t *rgb, struct error *err);
/* After the last: the rest, so that there are exactly out->count. */
bool retime_finish(struct retime *r, struct error *err);
void retime_destroy(struct retime *r); /* NULL is fine */

#endif

/* frames: what raw pictures look like in this room.
 *
 * A picture is RGB24: 3 bytes a pixel, rows from the top, no padding, full range. A shape says how
 * many pictures of which size at which rate belong together; once frames_shape_check has passed, no
 * product of its numbers overflows. Plain values, any thread. */
#ifndef ZOE_MEDIA_FRAMES_H
#define ZOE_MEDIA_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define FRAMES_SIDE_MIN 2 /* libavcodec's FFV1 loses pictures of one row or one column */
#define FRAMES_SIDE_MAX 8192
#define FRAMES_COUNT_MAX INT64_C(1000000)
#define FRAMES_RATE_MAX 1000

/* Frames per second as a reduced fraction, both positive. */
struct frames_rate {
    int num, den;
};

struct frames_shape {
    int width, height; /* pixels */
    struct frames_rate rate;
    int64_t count; /* pictures; FRAMES_COUNT_ANY = not known beforehand */
};
#define FRAMES_COUNT_ANY INT64_C(-1)

/* "8", "12.5" (at most six decimals) or "30000/1001"; above 0, at most FRAMES_RATE_MAX. */
bool frames_rate_parse(const char *text, struct frames_rate *out);
double frames_rate_value(struct frames_rate rate);
double frames_seconds(struct frames_rate rate, int64_t count);

/* ERROR_INVALID that names the number out of range. */
bool frames_shape_check(const struct frames_shape *shape, struct error *err);

/* Bytes of one picture of a checked shape. */
size_t frames_size_bytes(const struct frames_shape *shape);

#endif

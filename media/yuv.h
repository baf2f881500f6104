/* yuv: RGB24 to planar YUV 4:2:0, BT.709, limited range, in integers only: every processor and
 * every build gives the same bytes. A chroma sample is the mean of its four pixels and stands in
 * their middle: most decoders simply repeat it over the four, and small clips show any shift. */
#ifndef ZOE_MEDIA_YUV_H
#define ZOE_MEDIA_YUV_H

#include <stddef.h>
#include <stdint.h>

struct yuv_planes {
    uint8_t *y, *u, *v; /* borrowed; u and v have half the width and half the height */
    ptrdiff_t y_stride, uv_stride;
};

/* Writes an even-sized picture of width + width % 2 by height + height % 2; an odd last column or
 * row is repeated. */
void yuv_from_rgb(const uint8_t *rgb, int width, int height, const struct yuv_planes *out);

#endif

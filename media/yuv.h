/* yuv: RGB24 to planar YUV 4:2:0, BT.709, limited range, in integers only: every processor and every
 * build gives the same bytes. Chroma is sited left (the H.264 default): horizontally the 1-2-1 mean
 * around the even column, vertically the mean of two rows. */
#ifndef ZOE_MEDIA_YUV_H
#define ZOE_MEDIA_YUV_H

#include <stddef.h>
#include <stdint.h>

struct yuv_planes {
    uint8_t *y, *u, *v; /* borrowed; u and v have half the width and half the height */
    ptrdiff_t y_stride, uv_stride;
};

/* Writes an even-sized picture of width + width % 2 by height + height % 2; an odd last column or row is
 * repeated. */
void yuv_from_rgb(const uint8_t *rgb, int width, int height, const struct yuv_planes *out);

#endif

/* jpeg: a picture as JPEG in memory, for pages that carry small pictures themselves. 4:4:4, full
 * range; the same picture gives the same bytes. Internal to the room. One thread. */
#ifndef ZOE_MEDIA_JPEG_H
#define ZOE_MEDIA_JPEG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* Appends the file; `bgr0`: width * height * 4 bytes: blue, green, red, unused. */
bool jpeg_append(const uint8_t *bgr0, int width, int height, struct buf *out, struct error *err);

#endif

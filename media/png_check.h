/* png_check: reopens a PNG of ours and decodes it: what it holds, and whether that is what was
 * meant to be published. */
#ifndef ZOE_MEDIA_PNG_CHECK_H
#define ZOE_MEDIA_PNG_CHECK_H

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "media/frames.h"

struct png_info {
    int width, height;
    AVFrame *picture;      /* RGB24, owned */
    char *title, *comment; /* owned; "" when absent */
    struct digest sha256;  /* of the file */
    uint64_t size_bytes;
};

/* Sizes alone, from the file's head. */
bool png_check_measure(const char *path, int *width, int *height, struct error *err);

/* Decodes it: 8 bits, RGB, not interlaced, not animated, every chunk intact. ERROR_INVALID names
 * what is wrong. On success `out` must be given to png_info_finish. */
bool png_check_read(const char *path, struct png_info *out, struct error *err);

/* SHA-256 of the picture's RGB bytes, as survey.h makes it of one frame. */
struct digest png_check_pixels(const struct png_info *info);

void png_info_finish(struct png_info *info);

#endif

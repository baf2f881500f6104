/* fit: a picture of any size and pixel format becomes exactly WIDTH x HEIGHT.
 *
 * The rule: the largest centred rectangle of the wanted aspect is cut out of the picture (its width
 * is min(w, round(h * W / H)), its height min(h, round(w * H / W)); of an odd rest the left and the
 * upper side get less) and scaled to W x H by swscale's bicubic, each channel by itself, bit for
 * bit the same on every processor; what has the size already is not touched. Colours become
 * full-range RGB after the picture's own tags (none: BT.709 from 720 lines on, else BT.601).
 * Transparent pixels are laid on black. Gray = (77 R + 150 G + 29 B + 128) / 256 (BT.601), taken
 * before scaling. Internal to the room. One thread. */
#ifndef ZOE_MEDIA_FIT_H
#define ZOE_MEDIA_FIT_H

#include <libavutil/frame.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct fit_box {
    int left, top, width, height;
};
/* What is cut out of a w x h picture. Sides are positive and at most 16384. Pure. */
struct fit_box fit_crop(int w, int h, int wanted_width, int wanted_height);

struct fit;
struct fit *fit_create(int width, int height, bool gray);
void fit_destroy(struct fit *f); /* NULL is fine */

/* `out`: width * height bytes if gray, else three times as many, RGB24. ERROR_INVALID: a pixel
 * format that swscale does not know; ERROR_NO_MEMORY. */
bool fit_picture(struct fit *f, const AVFrame *picture, uint8_t *out, struct error *err);

#endif

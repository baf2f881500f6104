/* survey: what is learned from pictures while they pass by, in order, each seen once: their SHA-256
 * (over the RGB bytes of all of them), the brightest luma, and whether all of them are the same.
 * Memory is one picture. One thread at a time. */
#ifndef ZOE_MEDIA_SURVEY_H
#define ZOE_MEDIA_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/digest.h"
#include "media/frames.h"

#define SURVEY_BLACK_LUMA 2 /* a picture is black when no pixel is brighter */

struct survey {
    struct digest_stream digest;
    uint8_t *first; /* owned copy of the first picture */
    size_t picture_bytes;
    int64_t count;
    int luma_max; /* BT.709 weights, full range, 0..255 */
    bool still;   /* every picture so far equals the first, bit for bit */
};

struct survey_result {
    int64_t count;
    struct digest frames_sha256;
    int luma_max;
    const char *suspect; /* "", "black" or "still"; static */
};

/* `shape` must have been checked. ERROR_NO_MEMORY leaves nothing behind. */
bool survey_init(struct survey *s, const struct frames_shape *shape, struct error *err);
void survey_add(struct survey *s, const uint8_t *rgb); /* one picture of the shape's size */
struct survey_result survey_end(struct survey *s);     /* once, after the last picture */
void survey_finish(struct survey *s);                  /* frees */

#endif

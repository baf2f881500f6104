/* strip: a few evenly spaced pictures of an MP4, first and last included, or the one of a PNG,
 * scaled to fit a box.
 * Small pictures grow by whole factors, pixel by pixel, so that they stay crisp; others are
 * resampled. */
#ifndef ZOE_MEDIA_STRIP_H
#define ZOE_MEDIA_STRIP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/frames.h"

struct strip {
    const int64_t *places;      /* borrowed while loading: where they stand; NULL: spaced evenly */
    int count;                  /* pictures: at most what was asked for and what the clip has */
    int width, height;          /* of each, in pixels */
    struct frames_shape source; /* of the file */
    uint8_t **pictures;         /* count x width * height * 4 bytes: blue, green, red, 255 */
};

/* Only the sizes, from the file's head; `pictures` stays NULL. */
bool strip_measure(const char *path, int count, int box_width, int box_height, struct strip *out,
                   struct error *err);
/* Decodes as far as the last picture needs. */
bool strip_load(const char *path, int count, int box_width, int box_height, struct strip *out,
                struct error *err);
/* The same of the given frames, ascending; ERROR_INVALID when the clip has fewer. */
bool strip_load_at(const char *path, const int64_t *frames, int count, int box_width,
                   int box_height, struct strip *out, struct error *err);
void strip_finish(struct strip *s);

#endif

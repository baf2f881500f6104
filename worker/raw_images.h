/* raw_images: pictures as `zoe-media frames` leaves them for the engine: a file of nothing but
 * bytes, rows top-down, one byte a pixel and channel, one or all frames of a clip. */
#ifndef ZOE_WORKER_RAW_IMAGES_H
#define ZOE_WORKER_RAW_IMAGES_H

#include <jansson.h>

#include "engine/engine.h"

/* `recipe` says width and height; `frames` of the window that is rendered; `channels` 3 for
 * pictures, 1 for masks. The file's size must be that of one frame or of all; caller frees
 * images->data. path NULL: no pictures. ERROR_NOT_FOUND, ERROR_INVALID. */
bool raw_images_read(const char *path, const json_t *recipe, int frames, int channels,
                     struct engine_images *images, struct error *err);
/* The same of several files whose frames follow one another: a list of paths; NULL: no pictures. */
bool raw_images_join(const json_t *paths, const json_t *recipe, int frames, int channels,
                     struct engine_images *images, struct error *err);
void raw_images_free(struct engine_images *images);

#endif

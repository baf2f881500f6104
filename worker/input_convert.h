/* input_convert: a zoe-media child that makes the raw pictures of one clip from a person's file. It
 * runs under limits on memory and time; the file that it writes appears under its name only when it
 * is whole. Loop thread only. */
#ifndef ZOE_WORKER_INPUT_CONVERT_H
#define ZOE_WORKER_INPUT_CONVERT_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"

struct input_convert;

struct input_shape {
    int64_t width, height;
    int64_t first, frames; /* those of the file that are wanted, at so many a second */
    int64_t fps;
    bool gray;
};

struct input_convert_options {
    const char *program; /* path of zoe-media */
    const char *source, *out;
    struct input_shape shape;
    void *context;
    void (*progress)(void *context, uint64_t bytes); /* written so far; about once a second */
    /* Later than within the start. ERROR_INVALID: the child says that no pictures can be made of
     * the file; ERROR_FAILED: it died or took too long; anything else is this machine's trouble. */
    void (*done)(void *context, const struct error *err);
};

/* Copies what it is given. NULL with err when the child cannot be started: `done` never runs. It
 * frees itself after `done`. */
struct input_convert *input_convert_start(uv_loop_t *loop,
                                          const struct input_convert_options *options,
                                          struct error *err);
/* Kills it; `done` never runs. */
void input_convert_cancel(struct input_convert *c);

#endif

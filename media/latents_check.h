/* latents_check: is a file from a worker the latents of a task, or the checkpoint of one?
 *
 * A safetensors file. `state` (U8) is JSON: schema 1, kind "latents" or "checkpoint", recipe (64
 * hex digits), task, first, frames, channels, height, width, step, steps, fingerprint; other
 * members are not looked at. `latents` or `latents.R` and, optional, `history*` and `prediction*`
 * are F32 of shape [channels, frames, height, width], or flat with as many values, and all finite;
 * `filled*`, `noise*` and `state.*` are at most 64 KiB of U8. Nothing else may be in it. Any
 * thread. */
#ifndef ZOE_MEDIA_LATENTS_CHECK_H
#define ZOE_MEDIA_LATENTS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"

#define LATENTS_TEXT_MAX_BYTES 65536
#define LATENTS_FINGERPRINT_SIZE 257
#define LATENTS_CHANNELS_MAX 4096
#define LATENTS_SIDE_MAX 8192
#define LATENTS_FRAMES_MAX 100000
#define LATENTS_STEPS_MAX 10000

struct latents_info {
    char kind[16];
    char fingerprint[LATENTS_FINGERPRINT_SIZE];
    int64_t task, first, frames, channels, height, width, step, steps;
};

struct latents_wanted {
    const char *recipe; /* digest, as 64 hex digits; NULL: of any clip and place */
    int64_t task, first, frames;
    int64_t step;                    /* LATENTS_STEP_ANY: whichever it is */
    int64_t channels, height, width; /* of one frame's latents; 0: whatever it says */
};
#define LATENTS_STEP_ANY INT64_C(-1)

/* ERROR_INVALID says what is wrong with the file, or which place it belongs to instead;
 * ERROR_NOT_FOUND, ERROR_IO. */
bool latents_check(const char *path, const struct latents_wanted *wanted, struct latents_info *out,
                   struct error *err);

#endif

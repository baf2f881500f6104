/* canary_file: the right answers to a model's canary, from its canary.json, which never leaves the
 * coordinator:
 *
 *   {"model_sha256": "HEX",                         the model's digest; absent: whatever it is
 *    "recipe": {...},
 *    "frames_sha256": "HEX" | {"FINGERPRINT": "HEX", ...},
 *    "frame": {"width": 64, "height": 64, "rgb": "HEX"}}         absent: no tolerance
 *
 * A fingerprint that has no digest is compared with the frame: sums over other kernels differ in
 * their last bits, by a level in a few bytes; what is rendered wrong differs by ten levels and more
 * on average. The `pattern` family is integer arithmetic, so that one digest serves every
 * fingerprint. */
#ifndef ZOE_COORDINATOR_CANARY_FILE_H
#define ZOE_COORDINATOR_CANARY_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "coordinator/farm_canary.h"

#define CANARY_TOLERANCE 4 /* levels of 256, root of the mean square */

struct canary_answer {
    char *fingerprint; /* NULL = any */
    struct digest frames_sha256;
};

struct canary_file {
    char *recipe;                   /* canonical text, complete; NULL: there is none */
    uint32_t width, height, frames; /* of that */
    struct canary_answer *answers;
    size_t count;
    uint8_t *rgb; /* the one frame, or NULL */
};

/* Reads FOLDER/canary.json. ERROR_NOT_FOUND when there is none, ERROR_INVALID when it is wrong,
 * ERROR_STATE when it is of another model than `model` (NULL: not asked). */
bool canary_file_read(struct canary_file *c, const char *folder, const struct digest *model,
                      struct error *err);
/* Of a model that has none: the recipe that follows from its facts, and no answers. */
bool canary_file_derive(struct canary_file *c, const json_t *facts, struct error *err);
void canary_file_finish(struct canary_file *c);

/* UNKNOWN: there is no answer for this fingerprint. */
enum canary_verdict canary_file_judge(const struct canary_file *c, const char *fingerprint,
                                      const struct digest *frames_sha256);
/* UNKNOWN: there is no frame to compare with. `rgb` is of another size than that: WRONG. */
enum canary_verdict canary_file_compare(const struct canary_file *c, struct bytes rgb);

#endif

/* output_kind: what a clip becomes, by its model's family: the kinds of files that are published,
 * one row each. Pure. */
#ifndef ZOE_BASE_OUTPUT_KIND_H
#define ZOE_BASE_OUTPUT_KIND_H

#include <stdbool.h>

enum output_kind {
    OUTPUT_VIDEO,  /* any number of frames: an MP4 */
    OUTPUT_IMAGE,  /* one frame: a PNG */
    OUTPUT_REPORT, /* no file: what its frames are, as JSON, a row (recipe field `report`) */
    OUTPUT_KIND_COUNT
};

const char *output_kind_name(enum output_kind kind);      /* "video": the model fact `output` */
const char *output_kind_extension(enum output_kind kind); /* "mp4": no dot */

/* False when unknown; `out` is left alone then. */
bool output_kind_find(const char *name, enum output_kind *out);
bool output_kind_of_path(const char *path, enum output_kind *out); /* by its extension */

#endif

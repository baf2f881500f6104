/* stitch_manifest: which segments make a clip, as the coordinator writes it down: a JSON object
 *
 *     {"segments": [{"path": FILE, "frames": N, "first": F, "frames_sha256": HEX, "place":
 * TEXT}..], "before": {"path": FILE, "frames": N}}
 *
 * In a segment all but path and frames may be left out, `before` too. Other members are refused. */
#ifndef ZOE_MEDIA_STITCH_MANIFEST_H
#define ZOE_MEDIA_STITCH_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "media/stitch.h"

#define STITCH_MANIFEST_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define STITCH_MANIFEST_SEGMENTS_MAX 65536

struct stitch_manifest {
    const char **paths; /* borrowed from the document, as all texts are */
    struct stitch_fact *facts;
    int count;
    const char *before; /* or NULL */
    int64_t before_frames;
    int64_t frames; /* of all together */
    json_t *document;
};

/* ERROR_USAGE with the place of the mistake; ERROR_NOT_FOUND, ERROR_REFUSED when too large. */
bool stitch_manifest_load(struct stitch_manifest *m, const char *path, struct error *err);
void stitch_manifest_finish(struct stitch_manifest *m);

#endif

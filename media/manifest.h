/* manifest: what a contact sheet or a page shows: a JSON object
 *
 *     {"title": TEXT, "subtitle": TEXT, "columns": N, "limit": N, "clips": [CLIP...]}
 *
 * and in each clip, all optional: path (of the MP4 or PNG, for the sheet; relative to the working
 * folder), video (of it, for the page; relative to the page), prompt, seed (text or number), state,
 * note, suspect, seconds, worker, recipe (object), and for a storyboard scenes, at most
 * MANIFEST_SCENES_MAX of {"frame": N, "prompt": TEXT, "seconds": S}, frames ascending. Other
 * members are ignored. */
#ifndef ZOE_MEDIA_MANIFEST_H
#define ZOE_MEDIA_MANIFEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define MANIFEST_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define MANIFEST_COLUMNS_MAX 32
#define MANIFEST_LIMIT_MAX 100000
#define MANIFEST_SEED_SIZE 24

#define MANIFEST_SCENES_MAX 256

struct manifest_scene {
    int64_t frame;      /* of the file, to be shown */
    const char *prompt; /* borrowed from the document */
    double seconds;     /* how long it lasts */
};

struct manifest_clip { /* texts are borrowed from the document and never NULL */
    const char *path, *video, *prompt, *state, *note, *suspect, *worker;
    char seed[MANIFEST_SEED_SIZE];
    double seconds;       /* of rendering; below 0 when not known */
    const json_t *recipe; /* borrowed, or NULL */
    struct manifest_scene *scenes;
    size_t scene_count;
};

struct manifest {
    const char *title, *subtitle; /* borrowed, never NULL */
    int columns, limit;           /* 0: not said */
    struct manifest_clip *clips;
    size_t clip_count;
    json_t *document;
};

/* ERROR_USAGE with the place of the mistake; ERROR_NOT_FOUND, ERROR_REFUSED when too large. */
bool manifest_load(struct manifest *m, const char *path, struct error *err);
void manifest_finish(struct manifest *m);

#endif

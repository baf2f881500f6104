/* clip_source: a clip that exists, as something to go on from: its recipe, and as far as they can
 * be had its frames and the latents of its end.
 *
 * It is named as BATCH/N, or by its file: then the sidecar beside it, or else its own comment tag,
 * says the recipe; the farm is asked for more when it still knows the clip. */
#ifndef ZOE_CLI_CLIP_SOURCE_H
#define ZOE_CLI_CLIP_SOURCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "cli/client.h"

struct clip_source {
    json_t *recipe; /* complete */
    char *batch;    /* id; NULL: only the file is known */
    uint64_t clip;
    char *name;            /* of its file, without folders */
    char *file;            /* here; NULL: not yet fetched */
    char *folder;          /* temporary, ours; NULL: none was needed */
    struct message *parts; /* envelope->clip_parts; NULL: the farm does not know it */
};

/* The clip must be published, and a video. ERROR_NOT_FOUND, ERROR_STATE. clip_source_finish is
 * right afterwards in any case; it removes what was fetched. */
bool clip_source_open(struct clip_source *s, struct zclient *client, const char *text,
                      struct error *err);
void clip_source_finish(struct clip_source *s);

/* Its own frames, in a file that lives as long as the source (borrowed): joined from its stored
 * segments without loss, else the video itself. `frames` of them. */
bool clip_source_video(struct clip_source *s, struct zclient *client, const char **path,
                       int64_t *frames, struct error *err);

/* The stored latents of its last `overlap` frames or more, for other clips to name: false when
 * there are none. The coordinator keeps them for an hour at least from now on. */
bool clip_source_latents(const struct clip_source *s, struct zclient *client, int64_t overlap,
                         struct digest *out);

#endif

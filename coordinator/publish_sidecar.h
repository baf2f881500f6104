/* publish_sidecar: the JSON beside a video: what it tells, and whose it is. Any thread. */
#ifndef ZOE_COORDINATOR_PUBLISH_SIDECAR_H
#define ZOE_COORDINATOR_PUBLISH_SIDECAR_H

#include "coordinator/publish.h"

/* Caller frees. */
char *publish_sidecar_text(const struct publish_target *t, const struct publish_record *r,
                           const struct publish_sealed *video);

enum sidecar_kind {
    SIDECAR_NONE,   /* there is no such file */
    SIDECAR_OURS,   /* of this clip and this video */
    SIDECAR_STALE,  /* of this clip, but another video */
    SIDECAR_FOREIGN /* anything else */
};
/* False only when the file cannot be read. */
bool publish_sidecar_look(const char *path, const struct publish_target *t,
                          const struct digest *video, enum sidecar_kind *out, struct error *err);

#endif

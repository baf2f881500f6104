/* only_clip: the one clip of a batch: waits for it, brings it. */
#ifndef ZOE_CLI_ONLY_CLIP_H
#define ZOE_CLI_ONLY_CLIP_H

#include <stdbool.h>

#include "cli/client.h"
#include "cli/submission.h"

/* What to call a clip that the coordinator calls so (N_SLUG_sSEED.mp4, perhaps in a folder): a
 * plain name that is not hidden, or NULL. Caller frees. */
char *only_clip_name(const char *file);

/* Brings it when it is published, to `target` (NULL: SLUG_sSEED.mp4 here); *file_out is where it
 * went, the caller frees it. ERROR_FAILED tells why there is none. */
bool only_clip_fetch(struct zclient *client, const char *batch, const char *target, char **file_out,
                     struct error *err);

/* After submission_send: waits with a progress line, brings the clip, prints its name. Exit code.
 */
int only_clip_bring(struct zclient *client, struct submission *s, const char *target);

#endif

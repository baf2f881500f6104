/* fetch: a batch's published clips into a folder of the user's, checked by SHA-256, with the
 * contact sheet and the page. Files that are already there and right are left alone. */
#ifndef ZOE_CLI_FETCH_H
#define ZOE_CLI_FETCH_H

#include <stdbool.h>

#include "base/digest.h"
#include "cli/client.h"

struct fetch_result {
    char *folder; /* DIR/ID-SLUG */
    char *sheet;  /* NULL when there was nothing to show */
    char *page;
    int clips;
    int fetched; /* the others were already there */
    int missing; /* not published: failed, canceled, or still rendering */
};

/* `parent` is made if absent. */
bool fetch_batch(struct zclient *client, const char *batch, const char *parent, bool quiet,
                 struct fetch_result *out, struct error *err);
void fetch_result_finish(struct fetch_result *result);

/* One file of a batch to `target` (temporary beside it, then rename). sha256 may be NULL. */
bool fetch_file(struct zclient *client, const char *batch, const char *path, const char *target,
                const ProtobufCBinaryData *sha256, struct error *err);

/* A stored file by its digest: a segment, latents, an input. */
bool fetch_stored(struct zclient *client, const struct digest *sha256, const char *target,
                  struct error *err);

/* "00012_red-fox_s42.json" of "00012_red-fox_s42.mp4". Caller frees. */
char *fetch_sidecar_name(const char *file);

#endif

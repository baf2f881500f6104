/* tree: the published tree read back: which batches stand in a folder of renders, and which of
 * their clips are there whole. For rebuilding a database; what it reads may be damaged. */
#ifndef ZOE_COORDINATOR_TREE_H
#define ZOE_COORDINATOR_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/finding.h"
#include "coordinator/record.h"

/* Folders that begin with a batch's id (ID, ID-SLUG) and hold a batch.json, and prepared ones
 * (.tmp-ID), sorted. Free with path_list_free. */
bool tree_batches(const char *renders, char ***names_out, size_t *count_out, struct error *err);

struct tree_look {
    const char *folder; /* path of the batch's folder */
    const char *batch;  /* id */
    uint64_t clips;     /* of the batch */
    bool fast;          /* sizes only, no digests */
    struct findings *findings;
    struct findings_many damaged, lost; /* of clips to be rendered again; of published ones */
    uint32_t unread; /* sub-folders that could not be read: what is in them is not known */
    void *context;
    /* What a clip of the batch is published as: its extension decides. */
    enum output_kind (*output)(void *context, uint32_t clip);
    /* The file that a clip is published as already, relative to the batch's folder; NULL when it is
     * not. It lives until the next call. */
    const char *(*published)(void *context, uint32_t clip);
    /* A clip whose sidecar and file are whole; `clip->file` is relative to the batch's folder. The
     * texts live for the call. Called once a pair: twice for a clip that was published twice. */
    void (*found)(void *context, const struct clip_record *clip, uint64_t steps_computed,
                  uint64_t steps_wasted, int64_t published_ms);
};
/* Every sidecar in the folder and its sub-folders. What is not whole is a finding (FINDING_FAIL
 * when its clip is published as just that), and so is a sub-folder that cannot be read. False: the
 * folder itself cannot be read, and nothing was found. */
bool tree_clips(struct tree_look *look, struct error *err);

#endif

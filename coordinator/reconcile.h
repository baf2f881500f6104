/* reconcile: makes a database say what the published tree holds. A batch that it does not know is
 * taken in whole (batch.json, prompts file, sidecars); of one it knows, the clips that the tree has
 * and it has not. What is published already is only read. For `recover` (an empty database) and
 * `restore` (an older one); nobody else has the database open. */
#ifndef ZOE_COORDINATOR_RECONCILE_H
#define ZOE_COORDINATOR_RECONCILE_H

#include "base/finding.h"
#include "base/table.h"
#include "coordinator/store_rebuild.h"

struct reconcile {
    const char *state; /* the state folder */
    struct store *s;
    bool fast;   /* sizes of published files only, no digests */
    bool paused; /* what is not done is paused, not run on */
    struct findings *findings;
    const struct table *hints; /* id -> struct reconcile_hint of the replaced database */
    /* what was done: */
    uint64_t batches_new, batches_gone, clips_found, clips_waiting;
};

struct reconcile_hint {
    struct store_said said;
    bool has_keep;
    int64_t keep_s; /* 0 = for ever */
};

bool reconcile_tree(struct reconcile *r, struct error *err);

#endif

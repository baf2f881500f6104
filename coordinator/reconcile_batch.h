/* reconcile_batch: one batch of the published tree, and its rows brought up to what the tree holds
 * (reconcile.h). */
#ifndef ZOE_COORDINATOR_RECONCILE_BATCH_H
#define ZOE_COORDINATOR_RECONCILE_BATCH_H

#include "coordinator/prompts.h"
#include "coordinator/rebuild.h"
#include "coordinator/reconcile.h"

struct reconcile_batch {
    struct reconcile *r;
    struct prompts *prompts;
    const char *path; /* of its folder */
    const char *name; /* of its folder; one with a dot in front gets its name at the next start */
    const struct rebuild_facts *facts;
    const struct batch_record *known; /* what the database says of it, but the counts; NULL: new */
    uint64_t sequence;                /* in submit order, of a new one */
    bool begun;                       /* out: this is its folder, whole or not */
};

/* Commits. False: it cannot be taken in, or the database cannot be written (store_health). */
bool reconcile_batch(struct reconcile_batch *b, struct error *err);

#endif

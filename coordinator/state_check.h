/* state_check: whether a state folder holds what its database says: artifacts, published files,
 * prompts, folders of batches. It looks and changes nothing; the coordinator may run meanwhile:
 * what looks wrong is asked for once more. */
#ifndef ZOE_COORDINATOR_STATE_CHECK_H
#define ZOE_COORDINATOR_STATE_CHECK_H

#include "base/finding.h"
#include "coordinator/store.h"

struct state_check {
    const char *state; /* the folder */
    bool deep;         /* digests too, not only sizes */
};

void state_check_files(const struct state_check *options, struct store *s, struct findings *f);

#endif

/* upkeep: what is done to a state folder while its coordinator does not run:
 * `zoe-coordinator check|restore|recover`. Flags, exit codes and words; the work is done by
 * state_check.h, reconcile.h and store_rebuild.h. */
#ifndef ZOE_COORDINATOR_UPKEEP_H
#define ZOE_COORDINATOR_UPKEEP_H

#include "base/error.h"

/* argv[0] is the verb. The exit code. */
int upkeep_main(int argc, char **argv);

/* Whether a coordinator may start on `state`, whose lock it holds: ERROR_STATE when a restore was
 * broken off, ERROR_CORRUPT when the database is gone but batches are there. */
bool upkeep_may_start(const char *state, struct error *err);
/* What to do about a database that is damaged or gone, on stderr. */
void upkeep_advise(const char *state);

#endif

/* canaries: the shell's side of models' own canaries (W2): which models have one, what is rendered
 * for it, and what its canary.json and a look at the frame say of an answer. Loop thread. */
#ifndef ZOE_COORDINATOR_CANARIES_H
#define ZOE_COORDINATOR_CANARIES_H

#include "farm.pb-c.h"

#include "coordinator/farm_canary.h"

struct coordinator;

/* Tells a farm of the models that are known now; after each scan again. */
void canaries_tell(struct coordinator *c, struct farm *farm);
/* A worker's answer to the one that `out` says it has. */
void canaries_hear(struct coordinator *c, uint64_t session, const struct canary_out *out,
                   const Farm__CanaryDone *answer, int64_t now_ns);

#endif

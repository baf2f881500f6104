/* offer_judge: whether what a worker offers is what its task makes, before a byte of it is taken.
 * Loop thread. */
#ifndef ZOE_COORDINATOR_OFFER_JUDGE_H
#define ZOE_COORDINATOR_OFFER_JUDGE_H

#include "coordinator/farm.h"

struct coordinator;

/* What the worker says that it rendered. */
struct offer_claim {
    struct digest recipe;
    struct digest model; /* zero: not told */
};

/* Fills offer->matches. False with err: it cannot be told now. */
bool offer_judge(struct coordinator *c, const struct offer_claim *claim, struct farm_offer *offer,
                 struct error *err);
bool offer_judge_checkpoint(struct coordinator *c, const struct offer_claim *claim,
                            struct farm_checkpoint *checkpoint, struct error *err);

#endif

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

/* What the store knows of an offer that the core asks it about; borrowed by the offer. */
struct offer_rows {
    struct task_record task;
    char given_to[LIMIT_NAME_BYTES + 1];
};

/* Fills offer->row and offer->given_to, until offer_unlink_rows. */
void offer_link_rows(struct coordinator *c, uint64_t session, struct farm_offer *offer,
                     struct offer_rows *rows);
void offer_unlink_rows(struct farm_offer *offer);

/* Fills offer->matches. False with err: it cannot be told now. */
bool offer_judge(struct coordinator *c, const struct offer_claim *claim, struct farm_offer *offer,
                 struct error *err);
bool offer_judge_checkpoint(struct coordinator *c, const struct offer_claim *claim,
                            struct farm_checkpoint *checkpoint, struct error *err);

#endif

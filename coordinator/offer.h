/* offer: a result comes in (T2): whose is it, is it wanted, its bytes, its verdict. */
#ifndef ZOE_COORDINATOR_OFFER_H
#define ZOE_COORDINATOR_OFFER_H

#include "coordinator/worker_core.h"

void offer_take(struct farm *f, struct worker *w, const struct farm_offer *offer, int64_t now_ns);
/* What the attempt offered is here in full, and this is something else: it comes too late. */
bool offer_differs(const struct attempt *a, const struct farm_offer *offer);
bool offer_received(struct farm *f, struct attempt *a, uint32_t output, uint64_t offset,
                    int64_t now_ns);
void offer_uploaded(struct farm *f, struct attempt *a, bool digests_right, int64_t now_ns);
/* The disk did not keep its bytes: it waits to be offered again by the shell. */
void offer_lost(struct farm *f, struct attempt *a, int64_t now_ns);
void offer_verdict(struct farm *f, struct attempt *a, const struct farm_verdict *verdict,
                   int64_t now_ns);
void offer_init(struct attempt *a);
/* The session that carried it is gone: it waits to be offered again. */
void offer_pause(struct farm *f, struct attempt *a);
/* The upload's part in an attempt's end: credit comes back, temporary files go. */
void offer_forget(struct farm *f, struct attempt *a);

#endif

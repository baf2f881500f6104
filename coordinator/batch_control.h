/* batch_control: what people do with batches (B1 at its end, B4). All but adding are idempotent. */
#ifndef ZOE_COORDINATOR_BATCH_CONTROL_H
#define ZOE_COORDINATOR_BATCH_CONTROL_H

#include "coordinator/batch.h"

bool batch_add(struct farm *f, const struct batch_spec *spec, struct error *err);
/* What runs goes on, what is prefetched comes back. */
bool batch_pause(struct farm *f, struct batch *b, struct error *err);
bool batch_resume(struct farm *f, struct batch *b, struct error *err);
/* Clips that are being published are finished. */
bool batch_cancel(struct farm *f, struct batch *b, int64_t now_ns, struct error *err);
/* Failed clips are wanted again, their counts cleared; a new round of fences begins. */
bool batch_retry(struct farm *f, struct batch *b, struct error *err);
/* Only of a batch that is over. */
bool batch_remove(struct farm *f, struct batch *b, struct error *err);

/* S2: takes effect at the next pick. */
bool batch_prioritize(struct farm *f, struct batch *b, int32_t priority, struct error *err);

#endif

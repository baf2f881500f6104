/* checkpoints: latents of an unfinished attempt (T6). One is kept per task, that with the most
 * steps; at most one of each attempt is on its way. It never delays or ends its attempt: what is
 * late, wrong or unwanted is dropped, and its worker told so.
 *
 * Books: the steps of a kept checkpoint are not waste until it is dropped unused. */
#ifndef ZOE_COORDINATOR_CHECKPOINTS_H
#define ZOE_COORDINATOR_CHECKPOINTS_H

#include "coordinator/worker_core.h"

/* ---- on its way ---- */

void checkpoint_take(struct farm *f, struct worker *w, const struct farm_checkpoint *checkpoint,
                     int64_t now_ns);
bool checkpoint_received(struct farm *f, struct attempt *a, uint64_t offset, int64_t now_ns);
void checkpoint_uploaded(struct farm *f, struct attempt *a, bool digest_right);
void checkpoint_verdict(struct farm *f, struct attempt *a, enum verdict_kind kind);
/* The session that carried it is gone: what is not all here is of no use. */
void checkpoint_pause(struct farm *f, struct attempt *a);
/* Its part in an attempt's end. */
void checkpoint_forget(struct farm *f, struct attempt *a);

/* ---- kept ---- */

/* A fresh attempt goes on from it where the fingerprint allows. */
void checkpoint_begin(struct attempt *a);
/* Whether the Assign may still say so. */
bool checkpoint_resumes(const struct attempt *a);
/* Steps of this attempt that stand in it. */
uint32_t checkpoint_kept_of(const struct attempt *a);
/* The attempt went on from another worker's and failed: that is at fault, and dropped; the end
 * counts against nobody. */
bool checkpoint_takes_blame(struct farm *f, const struct attempt *a, enum attempt_end end);
/* The result of `a` is stored: it is of no use any more. */
void checkpoint_done(struct farm *f, const struct attempt *a);
/* It goes, and its steps are waste. */
void checkpoint_drop(struct farm *f, struct task *t);
/* Its file is missing or damaged. */
void checkpoint_missing(struct farm *f, struct task *t);

#endif

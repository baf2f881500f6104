/* hazard: a task that may kill whatever worker runs it (T5). Lost before its second step on three
 * workers (or three times where fewer could run it), it runs next only where nothing else is lost
 * with it: one worker, its host, gets no other work until that is over. A fourth such loss fails
 * it. Kept in memory only: a start of the farm forgives. */
#ifndef ZOE_COORDINATOR_HAZARD_H
#define ZOE_COORDINATOR_HAZARD_H

#include "coordinator/attempt.h"
#include "coordinator/scheduler.h"

void hazard_init(struct task *t);
/* The object goes. */
void hazard_forget(struct farm *f, struct task *t);
/* `a` is about to end, because its worker is gone: silent too long, or started anew. */
void hazard_note_loss(struct farm *f, const struct attempt *a);
/* Lost once more with a host: it fails. */
bool hazard_is_proven(const struct task *t);
/* For a host only. */
bool hazard_is_alone(const struct task *t);
/* Finds hosts for those that can be picked, and lets hosts go that are not needed any more. */
void hazard_settle(struct farm *f);
/* What a host may do next; its stand is NULL while it has other things to lose. */
struct pick hazard_pick(const struct farm *f, const struct worker *host, uint32_t slot);
/* One that can be picked has no host though somebody could be (I6). For farm_check. */
bool hazard_is_neglected(const struct farm *f);

#endif

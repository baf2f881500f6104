/* condemn: a worker's frames were shown to be wrong: it goes into quarantine until an operator lets
 * it back, and what it stored and nobody has seen yet is rendered again. What is published stays;
 * `zoe explain WORKER` lists it. */
#ifndef ZOE_COORDINATOR_CONDEMN_H
#define ZOE_COORDINATOR_CONDEMN_H

#include "coordinator/opinion.h"

/* Two others agree on what they rendered otherwise, and `winner` is one of them; or a canary has
 * put them into quarantine already, while their render was being compared. */
void condemn_losers(struct farm *f, const struct opinion_losers *losers, const struct task_key *of,
                    const struct worker *winner, int64_t now_ns);
/* Stored results of `w` in clips that are not published begin anew, with all that was made from
 * them. Returns in how many clips. */
uint32_t condemn_results(struct farm *f, const struct worker *w, int64_t now_ns);

#endif

/* condemn: a worker's frames were shown to be wrong: it goes into quarantine until an operator lets
 * it back, and what it stored and nobody has seen yet is rendered again. What is published stays;
 * `zoe explain WORKER` lists it. */
#ifndef ZOE_COORDINATOR_CONDEMN_H
#define ZOE_COORDINATOR_CONDEMN_H

#include "coordinator/opinion.h"

/* Who is disproved stays in quarantine until an operator lets it back, also when a canary had put
 * it there meanwhile; `winner` is one of the two that agree. Of the others only what they stored is
 * rendered again. */
void condemn_losers(struct farm *f, const struct opinion_losers *losers, const struct task_key *of,
                    const struct worker *winner, int64_t now_ns);
/* Stored results of `w` in clips that are not published begin anew, with all that was made from
 * them. Returns in how many clips. */
uint32_t condemn_results(struct farm *f, const struct worker *w, int64_t now_ns);

#endif

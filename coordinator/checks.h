/* checks: media children that look at uploaded results (EFFECT_VERIFY) and tell the core what they
 * saw (farm_verdict). Loop thread. */
#ifndef ZOE_COORDINATOR_CHECKS_H
#define ZOE_COORDINATOR_CHECKS_H

#include "coordinator/effect.h"

struct coordinator;
struct checks;

struct checks *checks_create(struct coordinator *c);
/* Ends all of them without a verdict. */
void checks_destroy(struct checks *k);
void checks_clear(struct checks *k); /* the core was loaded anew: it will ask again */

/* Asking again for what is being checked is fine. */
void checks_start(struct checks *k, const struct effect_job *job);
/* EFFECT_VERIFY_CHECKPOINT -> farm_checkpoint_verdict. */
void checks_start_checkpoint(struct checks *k, const struct effect_job *job);
/* Its attempt has ended: no verdict. It may be adopted anew under the same name with other files.
 */
void checks_drop(struct checks *k, const char *worker, const struct attempt_key *key);
/* A newer one takes its place: no verdict on the one that is being looked at. */
void checks_drop_checkpoint(struct checks *k, const char *worker, const struct attempt_key *key);

#endif

/* reasons: the words for what holds work back (S6): one row a reason. Room-internal: the pure core.
 */
#ifndef ZOE_COORDINATOR_REASONS_H
#define ZOE_COORDINATOR_REASONS_H

#include "coordinator/work.h"

/* Why fresh work of this kind waits: nobody is here, nobody may, or all are busy. */
/* Of clips of `g` that were never tried. */
struct reason_info reason_of_fresh(const struct farm *f, const struct group *g);
/* Why a clip that was begun waits while nothing of it runs. */
struct reason_info reason_of_work(const struct farm *f, const struct work *w);
/* What holds the whole batch back; false: nothing does. */
bool reason_of_batch(const struct farm *f, const struct batch *b, struct reason_info *out);

#endif

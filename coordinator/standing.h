/* standing: what the ends of a worker's attempts say about it (W3). Three counted ends in a row,
 * five of the last ten, or three losses without a finish: it renders a canary before it gets more
 * work. Wrong: its counts against tasks since its last right canary are struck. Right, but others
 * then finish three of those tasks: quarantine all the same. Handing back and preemption say
 * nothing. Kept in memory only: a start of the farm forgives. */
#ifndef ZOE_COORDINATOR_STANDING_H
#define ZOE_COORDINATOR_STANDING_H

#include "coordinator/worker_core.h"

/* An attempt of the worker ended so. */
void standing_note(struct farm *f, struct worker *w, enum attempt_end end);
/* One more bad end and it renders a canary: it is given nothing in advance, which it would fail too
 * before it could be told. */
bool standing_is_shaky(const struct worker *w);
/* `w` stored the result of a task that these others may have counted against. */
void standing_disprove(struct farm *f, const struct task *t, const struct worker *w,
                       int64_t now_ns);
/* Its canary was wrong: what it said about tasks counts no more. */
void standing_strike(struct farm *f, struct worker *w);

/* It gets no work any more, what it holds goes to others. `by` NULL: the farm itself, and canaries
 * lead out of it, the first one after `wait_ns`; else an operator, and only an operator does. */
void standing_quarantine(struct farm *f, struct worker *w, const char *reason, const char *by,
                         int64_t wait_ns, int64_t now_ns);
/* It is held already; another reason, or another operator, is told from now on. */
void standing_say_anew(struct farm *f, struct worker *w, const char *reason, const char *by);
/* An operator lets it back: a right canary admits it. */
void standing_readmit(struct farm *f, struct worker *w, const char *by);

#endif

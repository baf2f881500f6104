/* returns: tasks that came back before they began (T7): nobody's fault, and not counted. In memory
 * only: a start of the farm tries at once.
 *
 * Many clips may lack one and the same thing, and each try is a row of the database for ever. So a
 * batch tries few of what is unmade: each task again in its turn, and after RETURNS_MISSES in a row
 * without one that begins, one clip that was never tried each RETURNS_EACH_NS. */
#ifndef ZOE_COORDINATOR_RETURNS_H
#define ZOE_COORDINATOR_RETURNS_H

#include "base/clock.h"
#include "coordinator/task.h"

#define RETURNS_EACH_NS (300 * NS_PER_MS)
#define RETURNS_MISSES 16

enum return_why {
    RETURN_UNASKED, /* somebody else may be able to begin it at once */
    RETURN_LACKED,  /* the worker could not have what it begins with: hardly anybody can now */
    RETURN_UNMADE,  /* it is not here: nobody can */
};

/* What a task lacks: a file (returns_file), or one of these. */
#define RETURNS_NOTHING UINT64_C(0)
#define RETURNS_PROMPT UINT64_C(1)
#define RETURNS_UNKNOWN UINT64_C(2) /* RETURN_LACKED: a worker's word */
uint64_t returns_file(const struct digest *sha256);
/* It is not at the coordinator: struct batch counts the tasks (lacking). */
bool returns_is_certain(uint64_t lacks);

void returns_init(struct batch *b);
void returns_finish(struct farm *f, struct batch *b);

/* Notes it; how long `t` waits. `lacks`: of what is unmade. */
int64_t returns_wait(struct farm *f, struct task *t, enum return_why why, uint64_t lacks,
                     const char *message, int64_t now_ns);
/* It is rendered: what it lacked is here. All that lack the same are tried. */
void returns_began(struct farm *f, struct task *t);
void returns_forget(struct task *t); /* it goes away */
/* A few of those that wait for `lacks` (RETURNS_NOTHING: for anything) are tried at once: it may be
 * here now. False: none waits for it. */
bool returns_wake(struct farm *f, struct batch *b, uint64_t lacks);

/* No clip that was never tried is given out now. */
bool returns_hold(const struct batch *b);
/* One is. */
void returns_note_fresh(struct farm *f, struct batch *b, int64_t now_ns);

#endif

/* returns: tasks that came back before they began (T7): nobody's fault, and not counted. In memory
 * only: a start of the farm tries at once. */
#ifndef ZOE_COORDINATOR_RETURNS_H
#define ZOE_COORDINATOR_RETURNS_H

#include "coordinator/task.h"

enum return_why {
    RETURN_UNASKED, /* somebody else may be able to begin it at once */
    RETURN_LACKED,  /* the worker could not have what it begins with: hardly anybody can now */
    RETURN_UNMADE,  /* it is not here: nobody can. The task lacks it until it begins or is woken */
};

/* Notes it; how long `t` waits. Many tasks may lack one and the same thing, and each try is a row
 * of the database: a batch has few tries a second of what is unmade, however many tasks wait. */
int64_t returns_wait(struct task *t, enum return_why why, const char *message);
/* It has begun, or goes away. */
void returns_forget(struct task *t);
/* What tasks of `b` lacked may be here now: they are tried at once. False: none waits for it. */
bool returns_wake(struct farm *f, struct batch *b);

#endif

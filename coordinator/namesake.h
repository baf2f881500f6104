/* namesake: a machine that comes under the name of one that is gone for good. Workers that come and
 * go all day are called alike, or the list of those that were here would grow with every one of
 * them. What stands against the one before must not stand against the next: such a name is free
 * only when it is in no quarantine, and nothing that is open names it. */
#ifndef ZOE_COORDINATOR_NAMESAKE_H
#define ZOE_COORDINATOR_NAMESAKE_H

#include <stdbool.h>

struct farm;

/* A machine that nobody knows may be called so: no worker was, or nothing counts any more that it
 * left. For names that no key has. Looks at every task that is open. */
bool namesake_may_come(const struct farm *f, const char *name);
/* A key has this name from now on: what its end brought upon a worker of before is over. */
void namesake_comes(struct farm *f, const char *name);

#endif

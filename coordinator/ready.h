/* ready: what says how a coordinator can be reached, once it can be: a line, and coordinator.json
 * in the state folder, by which `zoe --state` finds it. Loop thread. */
#ifndef ZOE_COORDINATOR_READY_H
#define ZOE_COORDINATOR_READY_H

#include <stdbool.h>

#include "base/error.h"

struct coordinator;

/* The line on stdout and, when asked for, in a file; coordinator.json. False: the file that was
 * asked for cannot be written. */
bool ready_say(struct coordinator *c, struct error *err);
/* It cannot be reached: there is no coordinator.json. For who holds the folder's lock. */
void ready_unsay(struct coordinator *c);

#endif

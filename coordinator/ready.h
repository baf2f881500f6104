/* ready: the line that says how a coordinator can be reached, once it can be. Loop thread. */
#ifndef ZOE_COORDINATOR_READY_H
#define ZOE_COORDINATOR_READY_H

#include <stdbool.h>

#include "base/error.h"

struct coordinator;

/* On stdout and, when asked for, in a file. False: the file cannot be written. */
bool ready_say(struct coordinator *c, struct error *err);

#endif

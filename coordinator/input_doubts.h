/* input_doubts: files that recipes start from, and that a worker could not have, read again on a
 * pool thread. One that holds other bytes than its name says is removed: while it stands nobody is
 * asked for its bytes, so that sending it again would mend nothing. What cannot be read now stays:
 * it may be sound. Loop thread. */
#ifndef ZOE_COORDINATOR_INPUT_DOUBTS_H
#define ZOE_COORDINATOR_INPUT_DOUBTS_H

#include "base/digest.h"

struct coordinator;
struct input_doubt;

struct input_doubts { /* zero: none */
    struct input_doubt *first;
    int count;
};

/* Files that a recipe names. One that is being read is not read twice, and few are at once:
 * the next try of a task that still cannot begin asks for the others. */
void input_doubts_look(struct coordinator *c, const struct digest *files, uint32_t count);
/* What is being read is left as it is. Before the loop ends. */
void input_doubts_cancel(struct input_doubts *d);

#endif

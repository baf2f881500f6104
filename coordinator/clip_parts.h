/* clip_parts: the stored segments of a clip's video, in the order of their frames, who made them,
 * and which tasks have none. Loop thread while it is filled, then any one thread. */
#ifndef ZOE_COORDINATOR_CLIP_PARTS_H
#define ZOE_COORDINATOR_CLIP_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "coordinator/record.h"

struct coordinator;

struct clip_part {
    struct plan_task task;
    bool stored; /* its row and its whole file are there */
    struct output output;
    char *worker; /* that made it; "" when unknown */
    uint32_t attempts;
};

struct clip_parts {
    struct clip_part *items; /* by first frame */
    uint32_t count;
    uint32_t *missing; /* tasks */
    uint32_t missing_count;
    char *fingerprint; /* of all of them; NULL: none is stored */
    uint32_t attempts; /* of all tasks of the clip */
    int64_t steps_computed;
    int64_t steps_wasted;            /* at least what was computed beyond what its tasks need */
    int64_t started_ms, rendered_ms; /* wall; 0: unknown */
    char *worker;                    /* that was the last to finish; NULL: unknown */
};

/* False when the store fails; what is missing is no failure. Finish it in each case. */
bool clip_parts_fill(struct clip_parts *p, struct coordinator *c, const struct task_key *clip,
                     const struct plan *plan, struct error *err);
void clip_parts_finish(struct clip_parts *p); /* may be called again */

#endif

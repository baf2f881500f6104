/* subject: what people name in a question: BATCH, BATCH/CLIP or BATCH/CLIP.TASK. */
#ifndef ZOE_COORDINATOR_SUBJECT_H
#define ZOE_COORDINATOR_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct subject {
    char batch[ID_BATCH_LENGTH + 1]; /* an id, a prefix of one, or "last" */
    bool has_clip, has_task;
    int64_t clip, task; /* within LIMIT_SUBMIT_CLIPS, LIMIT_TASKS_PER_CLIP */
};

/* False: it looks like none of them. */
bool subject_parse(const char *text, struct subject *out);

#endif

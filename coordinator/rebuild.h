/* rebuild: what a batch's batch.json holds for `zoe recover`, beyond what it tells people: with it
 * and the prompts file beside it the batch's rows can be made anew. Pure. */
#ifndef ZOE_COORDINATOR_REBUILD_H
#define ZOE_COORDINATOR_REBUILD_H

#include <jansson.h>

#include "coordinator/record.h"
#include "coordinator/submit_file.h"

/* What the clips of a group have in common. */
void submit_group_shape(const struct submit_group *group, struct shape *out);

#define REBUILD_FILE_BYTES ((size_t)256 * 1024 * 1024) /* a batch.json has at most */

struct rebuild_facts { /* texts borrowed */
    const char *key;   /* idempotency */
    bool default_key;
    struct digest content;
    int64_t submitted_ms;
    const char *options; /* as sent */
    /* reading only: */
    const char *id, *name, *owner;
    int32_t priority;
    uint64_t prompts, clips;
    struct shape *shapes; /* rebuild_facts_finish */
    uint32_t groups;
    struct digest inputs[LIMIT_INPUTS]; /* files that recipes start from */
    uint32_t input_count;
};

/* Adds the member `rebuild` to batch.json. */
void rebuild_facts_add(json_t *about, const struct rebuild_facts *facts,
                       const struct submit_result *result);
/* Of a whole batch.json; texts live as long as `about`. ERROR_INVALID when something is missing or
 * makes no sense, ERROR_VERSION when a build wrote it that could not rebuild yet. Bytes from a disk
 * that may be damaged: fuzzed. */
bool rebuild_facts_read(const json_t *about, struct rebuild_facts *out, struct error *err);
void rebuild_facts_finish(struct rebuild_facts *facts);

#endif

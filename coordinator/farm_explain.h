/* farm_explain: why something is as it is, in one line (S6). Part of the facade of farm.h. Looks at
 * the thing itself and at what it waits for; no scan over clips. What the core has forgotten
 * (published and failed clips) is told by the store: `forgotten` says so. */
#ifndef ZOE_COORDINATOR_FARM_EXPLAIN_H
#define ZOE_COORDINATOR_FARM_EXPLAIN_H

#include "coordinator/farm.h"

#define EXPLAIN_LINE_BYTES 512

struct explanation {
    const char *kind;              /* "batch", "clip", "task" or "worker": static */
    const char *state;             /* static */
    const char *code;              /* of the first reason, else the state's name; static */
    char line[EXPLAIN_LINE_BYTES]; /* follows upon "SUBJECT is STATE" */
    struct reason_info reasons[REASONS_MAX]; /* of a batch */
    uint32_t reason_count;
    bool forgotten; /* clip or task: the line is empty */
};

/* False: there is none of that name. */
bool farm_explain_batch(const struct farm *f, const char *batch, int64_t now_ns,
                        struct explanation *out);
/* Batches are named to their owner only; `owner` "" = to everybody. */
bool farm_explain_worker(const struct farm *f, const char *worker, const char *owner,
                         int64_t now_ns, struct explanation *out);
bool farm_explain_task(const struct farm *f, const struct task_key *key, int64_t now_ns,
                       struct explanation *out);
/* The clip's one task, or what its tasks say together. */
bool farm_explain_clip(const struct farm *f, const char *batch, uint32_t clip, int64_t now_ns,
                       struct explanation *out);

#endif

/* work: a clip that was begun: which of its plan's tasks are done, which have an object, and what
 * lives of it. Made when its first task is leased, gone when it is published, canceled, or failed
 * with nothing kept. Tasks whose inputs are all stored have an object and can be picked; a row only
 * those that were leased once. The others follow from the plan.
 *
 * Through here a clip's byte moves between waiting, leased and stitching: it says what the clip's
 * tasks say together. */
#ifndef ZOE_COORDINATOR_WORK_H
#define ZOE_COORDINATOR_WORK_H

#include "coordinator/task.h"

struct work {
    struct batch *batch;
    struct group *group;
    uint32_t clip;
    uint32_t done;            /* tasks whose outputs are stored */
    struct chain tasks;       /* that have an object */
    struct chain live;        /* attempts of all of them */
    char *fingerprint;        /* with which the stored outputs were made; "" = nothing is stored */
    struct chain in_pinned;   /* farm.pinned while something is stored and something is to do */
    struct deadline stranded; /* nobody of that fingerprint is here (S7) */
    struct deadline again;    /* stitching waits for space */
    uint32_t stitch_deaths;
    uint32_t stitch_failures; /* by the child's own words */
};

struct work *work_find(const struct batch *b, uint32_t clip);
struct work *work_of(struct batch *b, uint32_t clip); /* made when new */
/* No task of it has an object. */
void work_close(struct farm *f, struct work *w);
/* Unlinks and frees with all tasks, no questions (removal of a batch). */
void work_free(struct farm *f, struct work *w);

/* Every task whose time has come can be picked. */
void work_begin(struct farm *f, struct work *w);
bool work_has_inputs(const struct work *w, uint32_t number);
bool work_is_done(const struct work *w);
/* One of what the task goes on from is this worker's result. */
bool work_has_input_of(const struct task *t, const struct worker *worker);
/* The clip's byte follows from the tasks. */
void work_settle(struct farm *f, struct work *w);
uint32_t work_attempts(const struct work *w); /* ever begun, of tasks that have an object */

/* The outputs of `t` are stored now: what takes them may go on; after the last one the clip is
 * stitched. */
void work_task_done(struct farm *f, struct task *t, int64_t now_ns);
/* The report of a clip's one task is stored: the clip is published. */
void work_report_done(struct farm *f, struct task *t, const struct output *report);
/* A stored output of `t` is missing (A3): it waits again, and what takes it waits for it. Nothing
 * but that while the clip is being published, or has failed. */
void work_reopen(struct farm *f, struct task *t, const char *why, int64_t now_ns);
/* For good (T4): `t` is at fault, NULL = stitching. What is stored is kept for `retry`,
 * unless the batch was canceled. */
void work_fail(struct farm *f, struct work *w, struct task *t, const char *why, const char *message,
               int64_t now_ns);
/* `retry` of a clip that failed: only what is not stored is rendered again. */
void work_retry(struct farm *f, struct work *w);
/* By a person (B4). A clip that failed stays so; what is stored of it goes all the same. */
void work_cancel(struct farm *f, struct work *w, int64_t now_ns);
/* S7: everything stored is waste; the clip starts anew. */
void work_start_over(struct farm *f, struct work *w);

#endif

/* task: the unit of dispatch, as an object only from its first lease until its clip is published,
 * failed or canceled. Before and after, a clip's byte says all there is to say. */
#ifndef ZOE_COORDINATOR_TASK_H
#define ZOE_COORDINATOR_TASK_H

#include "coordinator/batch.h"

struct blame { /* a worker whose attempt counted against the task */
    struct worker *worker;
    uint32_t canaries_right; /* what the worker had rendered right by then: T4 asks for one more */
};

struct task {
    struct batch *batch;
    struct group *group;
    uint32_t clip;
    uint32_t number;
    enum task_state state;
    uint64_t fence; /* the last one given; only grows (I7) */
    uint32_t attempts;
    uint32_t counted;
    uint32_t losses; /* T5 will read it */
    struct blame blamed[RETRY_DISTINCT_WORKERS];
    uint32_t blamed_count;
    enum attempt_end last_end; /* the last one that counted, END_LIVE = none, ... */
    char *last_message;        /* ... and what it said */
    struct chain live;         /* attempts */
    struct chain in_group;     /* group.tasks when ready */
    struct chain in_disputed;  /* farm.disputed */
    struct deadline again;     /* retry (T7), or stitching that waits for space */
    struct worker *winner;
    uint64_t winner_fence;
    uint64_t output_bytes;
    enum suspect suspect;
    uint32_t stitch_deaths;
};

struct task *task_find(const struct batch *b, uint32_t clip, uint32_t number);
/* Makes the object, waiting, its fence at the start of the batch's round. */
struct task *task_open(struct farm *f, struct batch *b, uint32_t clip, uint32_t number);
/* The object goes; no attempt lives. The row is the caller's to save first. */
void task_close(struct farm *f, struct task *t);
/* Unlinks and frees, no questions (removal of a batch). */
void task_free(struct farm *f, struct task *t);

struct task_key task_key(const struct task *t);
/* Texts borrowed from the task and its workers. */
struct task_record task_record(const struct task *t);
/* EFFECT_SAVE_TASK of what it is now; `open` false when it is about to close. */
void task_save(struct farm *f, const struct task *t, bool open);

/* Takes the next fence. */
uint64_t task_next_fence(const struct farm *f, struct task *t);
/* T2: a fence above the counter means an older database: the counter jumps past it, unless the
 * fence cannot be ours at all. */
void task_jump_fence(const struct farm *f, struct task *t, uint64_t seen);
bool task_fence_is_ours(const struct farm *f, uint64_t seen);
void task_note_end(struct task *t, enum attempt_end end, const char *message);

/* Its last attempt ended without a result: waiting again, at once or after `wait_ns`. */
void task_requeue(struct farm *f, struct task *t, int64_t wait_ns, int64_t now_ns);
/* For good (T4): live attempts are dismissed, the clip fails. */
void task_fail(struct farm *f, struct task *t, const char *why, const char *message,
               int64_t now_ns);
/* By a person (B4). */
void task_cancel(struct farm *f, struct task *t, int64_t now_ns);

#endif

/* task: the unit of dispatch, as an object from when its clip was begun and its inputs are stored
 * until the clip is published, failed or canceled. Before and after, a clip's byte says all there
 * is to say. */
#ifndef ZOE_COORDINATOR_TASK_H
#define ZOE_COORDINATOR_TASK_H

#include "coordinator/batch.h"

struct blame { /* a worker whose attempt counted against the task */
    struct worker *worker;
    uint32_t canaries_right; /* what the worker had rendered right by then: T4 asks for one more */
};

#define HAZARD_WORKERS 3

struct hazard {                             /* hazard.h */
    uint32_t losses;                        /* before its second step */
    struct worker *workers[HAZARD_WORKERS]; /* it was lost with */
    uint32_t worker_count;
    bool proven;         /* lost once more, with its host */
    struct worker *host; /* that does nothing else; NULL = none yet */
    struct chain in_hazards;
};

struct task {
    struct work *work;
    struct batch *batch;
    struct group *group;
    struct stand *stand; /* of its stage */
    struct lane *lane;   /* the stand's */
    uint32_t steps;      /* that it runs; 0 of a task that only decodes */
    uint32_t clip;
    uint32_t number;
    enum task_state state;
    uint64_t fence; /* the last one given; only grows (I7) */
    uint32_t attempts;
    uint32_t counted;
    uint32_t losses;
    uint32_t returns; /* times that it came back unasked: it could not begin where it was, ... */
    char *return_message; /* ... and what the last said; NULL = none. In memory only */
    uint64_t lacks;       /* what it begins with and could not have (returns.h); 0 = nothing */
    struct blame blamed[RETRY_DISTINCT_WORKERS];
    uint32_t blamed_count;
    enum attempt_end last_end; /* the last one that counted, END_LIVE = none, ... */
    char *last_message;        /* ... and what it said */
    struct chain live;         /* attempts */
    struct chain of_work;
    struct chain in_stand;    /* stand.tasks when ready */
    struct chain in_disputed; /* farm.disputed */
    struct deadline again;    /* retry (T7) */
    struct worker *preferred; /* S3: it has what the task goes on from; NULL = nobody */
    struct deadline patience; /* so long it is waited for */
    struct hazard hazard;
    struct worker *winner;
    uint64_t winner_fence;
    uint64_t output_bytes;
    enum suspect suspect;
    struct opinion *opinion; /* opinion.h; NULL = nobody asked for a second one */
    struct {                 /* T6; step 0 = none is kept */
        uint32_t step;
        char *fingerprint;
        struct worker *worker; /* that made it; NULL = not known since the start */
        uint64_t fence;        /* of the attempt that made it */
    } checkpoint;
};

/* Does the group's plan give it the outputs of other tasks to go on from? */
bool task_has_inputs(const struct group *group, uint32_t number);
struct task *task_find(const struct batch *b, uint32_t clip, uint32_t number);
/* Makes the object, waiting, its fence at the start of the batch's round. */
struct task *task_open(struct farm *f, struct work *w, uint32_t number);
/* Its row says `state` for the last time, if it has one; attempts that live are dismissed; the
 * object goes. `message` may be NULL. */
void task_retire(struct farm *f, struct task *t, enum task_state state, const char *why,
                 const char *message, int64_t now_ns);
/* The object goes; no attempt lives. The row is the caller's to save first. */
void task_close(struct farm *f, struct task *t);
/* Unlinks and frees, no questions (removal of a batch). */
void task_free(struct farm *f, struct task *t);

struct task_key task_key(const struct task *t);
/* Texts borrowed from the task and its workers. */
struct task_record task_record(const struct task *t);
/* EFFECT_SAVE_TASK of what it is now; `open` false when it is about to close. */
void task_save(struct farm *f, const struct task *t, bool open);
void task_save_why(struct farm *f, const struct task *t, bool open, const char *why,
                   const char *message);

/* Takes the next fence. */
uint64_t task_next_fence(const struct farm *f, struct task *t);
/* T2: a fence above the counter means an older database: the counter jumps past it, unless the
 * fence cannot be ours at all. */
void task_jump_fence(const struct farm *f, struct task *t, uint64_t seen);
bool task_fence_is_ours(const struct farm *f, uint64_t seen);
/* Of a generation before ours: given before a restore. */
bool task_fence_is_of_before(const struct farm *f, uint64_t seen);
void task_note_end(struct task *t, enum attempt_end end, const char *message);

/* Can be picked from now on, if it waits, its time has come and its inputs are stored. */
void task_ready(struct farm *f, struct task *t);
/* S3: `w` made what it goes on from. */
void task_prefer(struct farm *f, struct task *t, struct worker *w, int64_t now_ns);
/* Its last attempt ended without a result: waiting again, at once or after `wait_ns`. */
void task_requeue(struct farm *f, struct task *t, int64_t wait_ns, int64_t now_ns);
/* What is stored of it goes; it waits. Its row is the caller's to save. */
void task_drop_outputs(struct farm *f, struct task *t);

#endif

/* attempt: one try of a task on one worker, live until attempt_end. Its lease is the coordinator's
 * promise of the task, renewed by progress (L1).
 *
 * Where it is: NEXT (prefetched, no limit yet), RUNNING in its slot, or AWAY from it (its result
 * lies in the worker's outbox, on the wire, or here being checked). */
#ifndef ZOE_COORDINATOR_ATTEMPT_H
#define ZOE_COORDINATOR_ATTEMPT_H

#include "coordinator/task.h"

enum attempt_place { ATTEMPT_NEXT, ATTEMPT_RUNNING, ATTEMPT_AWAY };

struct upload { /* of a result or of a checkpoint, from its offer on */
    struct attempt *attempt;
    struct output outputs[LIMIT_OUTPUTS];
    uint64_t received[LIMIT_OUTPUTS];
    uint32_t output_count;
    uint32_t current; /* output that flows now */
    uint64_t granted; /* of it: bytes that may be sent, >= received */
    bool awaited;     /* they could come since awaited_ns */
    int64_t awaited_ns;
    int64_t spent_ns;     /* of the patience with it: credit.h */
    uint64_t worth_bytes; /* that gave some of it back */
    bool paused;          /* the session was replaced: waits to be offered again */
    bool complete;        /* the worker is needed no more: hashes, then the verdict */
    bool checking;        /* a verdict is owed */
    uint32_t wrong_digests;
    uint32_t deaths;     /* media children (M1) */
    uint32_t failures;   /* their own words, of bytes that are right */
    uint32_t unreadable; /* how often our copy was */
    char *fingerprint;
    uint32_t steps_computed;
    uint32_t steps_wasted;
    uint64_t render_ms;
    struct chain in_transfers; /* farm.transfers or farm.spare until complete */
    bool is_checkpoint;        /* then these count too: */
    bool leaving;              /* its worker waits for it */
    uint32_t step;
    struct deadline idle; /* granted credit must be used by then; a result's lease says so */
};

struct attempt {
    struct task *task;
    struct worker *worker;
    uint64_t fence;
    uint64_t worker_fence; /* what the worker calls it */
    uint32_t slot;
    enum attempt_place place;
    enum attempt_phase phase;
    uint32_t step; /* of the task: steps done, those of the checkpoint it began from too */
    uint32_t steps;
    uint32_t resumed_step; /* 0 = it began anew */
    bool resumed_other;    /* from the checkpoint of another worker */
    bool outdated;         /* what it went on from was made anew since, or may have been */
    uint32_t inherited;    /* steps of earlier attempts that stand nowhere else any more */
    char *fingerprint;     /* of its slot; NULL = not known since the start */
    uint64_t amount;
    uint64_t
        sent_session; /* where and as what number its Assign left (T1); 0, 0 = before this run */
    uint64_t sent_number;
    uint64_t mark; /* of the last list it stood in */
    bool recalled;
    bool loaded; /* from the store: bytes of it may lie here, whatever was offered since */
    int64_t limit_ns;
    int64_t begun_ns;   /* its slot began it */
    int64_t paid_ns;    /* time on its slot that its batch paid for (S2) */
    bool is_copy;       /* begun beside another (S4) */
    int64_t stepped_ns; /* its last step, 0 = none yet */
    int64_t timed_ns;   /* of its steps since the first, for its own pace */
    uint32_t timed_steps;
    int64_t news_ns; /* its last progress, 0 = none yet */
    struct deadline lease;
    struct deadline recheck; /* a verdict that was put off */
    struct chain of_task;
    struct chain of_work;
    struct chain of_worker;
    struct upload *upload;
    struct upload *checkpoint; /* that is on its way (T6) */
};

/* Commits the lease and sends the Assign: fresh fence, in `slot`, as NEXT when `prefetch`. */
void attempt_begin(struct farm *f, struct task *t, struct worker *w, uint32_t slot, bool prefetch,
                   int64_t now_ns);
/* The bare object, linked, nothing sent: for adopted and loaded ones. */
struct attempt *attempt_new(struct task *t, struct worker *w, uint64_t fence, uint64_t worker_fence,
                            uint32_t slot);
void attempt_set_fingerprint(struct attempt *a, const char *fingerprint);
/* The task is leased now: no longer offered, counted as one attempt more. */
void attempt_take_task(struct farm *f, struct task *t);
void attempt_save(struct farm *f, const struct attempt *a);
/* It is prefetched, its worker has a session, and is asked to give it back (W4). */
void attempt_recall(struct farm *f, struct attempt *a);
/* The Assign once more, in the worker's present session. */
void attempt_send(struct farm *f, struct attempt *a);
void attempt_unlink(struct farm *f, struct attempt *a); /* and free */

struct attempt_detail { /* what is known of an end */
    const char *message;
    const char *log_tail;
    uint32_t steps_computed;
    bool unbegun; /* its worker died without having said that it began: nothing of the task */
};

/* Records the end, frees the attempt, and lets retry.c decide about its task. `detail` may be
 * NULL. */
void attempt_end(struct farm *f, struct attempt *a, enum attempt_end end,
                 const struct attempt_detail *detail, int64_t now_ns);
#define OUTRUN "another attempt was first" /* goes with DROP_DONE */

/* The worker is told to stop, by Cancel, or by Dropped for a result on offer. The attempt lives on:
 * the caller ends it. */
void attempt_call_off(struct farm *f, struct attempt *a, enum drop_reason drop, const char *why);
/* Ends it from this side, and the worker is told why. */
void attempt_dismiss(struct farm *f, struct attempt *a, enum attempt_end end, enum drop_reason drop,
                     const char *why, int64_t now_ns);

/* By the worker's own name for it; NULL when it does not live there. */
struct attempt *attempt_find(const struct farm *f, const struct worker *w,
                             const struct attempt_key *key);
/* When it will probably offer its result; INT64_MAX: nobody knows. */
int64_t attempt_expected_end(const struct attempt *a);
/* Its worker has said so: what is sent to a worker that has just died stays unsaid. */
bool attempt_is_begun(const struct attempt *a);
/* Another attempt of its task lives. */
bool attempt_has_rival(const struct attempt *a);
/* Its batch pays for some time on its slot (S2), ... */
void attempt_pay(struct attempt *a, int64_t now_ns);
/* ... for more when it runs longer, ... */
void attempt_pay_on(struct attempt *a, int64_t now_ns);
/* ... and gets back what was not used. Its time on the slot is over. */
void attempt_stop_paying(struct attempt *a, int64_t now_ns);
/* What is all here needs its worker no more: its verdict decides. */
bool attempt_needs_worker(const struct attempt *a);
struct attempt_key attempt_key(const struct attempt *a); /* as its worker names it */

#endif

/* opinion: a second opinion on what a task's attempt has brought, before it is stored.
 *
 * T9: what is all black, or stands still, is set aside and rendered once more, by another worker if
 * there is one. As odd again: it is so, and is taken. Not odd: who rendered the first renders a
 * canary at once.
 * W8, with little trust: results that the lot falls on are set aside and rendered once more by
 * another worker of the same fingerprint. Alike: the second is taken. Not alike: a third decides.
 * Where there is no third both render canaries, and after OPINIONS_MAX renders the last one is
 * taken, and an event says that nobody could tell. Only what one worker rendered from its first
 * step on, and from the task's present inputs, is compared. Odd frames are what broken machines
 * agree on: they stand against nobody who saw something in the same task. What a worker in
 * quarantine rendered decides nothing, and is judged all the same: else a wrong canary, rendered on
 * purpose, would be the way out of being compared.
 *
 * What is set aside is not kept: only who made it, and a digest of its content. That it was set
 * aside outlives a start of the farm (as suspect and winner of a task that is not done), the digest
 * does not: then the next result is the first. */
#ifndef ZOE_COORDINATOR_OPINION_H
#define ZOE_COORDINATOR_OPINION_H

#include "coordinator/worker_core.h"

#define OPINIONS_MAX 4 /* renders by workers that are not in quarantine, ... */
#define VIEWS_MAX 8    /* ... and by all */

struct view { /* one worker's render */
    struct worker *by;
    struct digest content;
    bool odd; /* as T9 means it */
};

struct opinion {
    enum suspect suspect; /* what the first was; SUSPECT_NONE: drawn by lot, to be compared */
    struct worker *first; /* who made what was set aside first, ... */
    uint64_t first_fence; /* ... as it names that attempt */
    char *fingerprint;    /* that can be compared with it; NULL = not known since the start */
    struct view views[VIEWS_MAX];
    uint32_t view_count;
};

struct opinion_loser {
    struct worker *worker;
    bool disproved; /* two others agree on what it rendered otherwise; else a canary was wrong */
};

struct opinion_losers { /* condemn.h */
    struct opinion_loser items[VIEWS_MAX];
    uint32_t count;
};

/* The result of `a` is whole and sound. False: it is set aside, `a` has ended, and the task will be
 * rendered once more. True: it is to be stored. Either way *losers, empty before, are condemned
 * then. */
bool opinion_hear(struct farm *f, struct attempt *a, const struct farm_verdict *verdict,
                  struct opinion_losers *losers, int64_t now_ns);
/* This slot may render the task: it is not who made what was set aside, unless nobody else could.
 */
bool opinion_may_run(const struct farm *f, const struct task *t, const struct worker *w,
                     const char *fingerprint);
/* T2: an old result of `w` may still be adopted. It was not set aside before, and it is no way
 * around opinion_may_run. */
bool opinion_may_adopt(const struct farm *f, const struct task *t, const struct worker *w,
                       uint64_t worker_fence, const char *fingerprint);
/* Its attempts are to be compared: none goes on from what another began. */
bool opinion_compares(const struct task *t);
/* What was compared so far counts no more, nor does what still runs: the task's inputs are made
 * anew. */
void opinion_forget_views(struct task *t);
void opinion_close(struct farm *f, struct task *t);

/* A row of a task that is not done says it in `suspect`, `winner` and `winner_fence`. */
void opinion_record(const struct task *t, struct task_record *record);
void opinion_load(struct farm *f, struct task *t, const struct task_record *record);

#endif

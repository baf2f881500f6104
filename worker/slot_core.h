/* slot_core: the life of one slot as a pure state machine: the attempt that runs, the one that is
 * prefetched (W4), and the engine child that does the work (cold -> loading -> running -> ...).
 *
 * (state, event, now) -> actions. No I/O, no clock, no thread. The shell (slot.c) feeds events,
 * carries out the actions in order, and calls slot_core_tick at slot_core_deadline at the latest.
 */
#ifndef ZOE_WORKER_SLOT_CORE_H
#define ZOE_WORKER_SLOT_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "worker/checkpoint_pace.h"
#include "worker/room.h"
#include "worker/slot_work.h"

#define SLOT_CANCEL_NS (5 * NS_PER_S)      /* a polite cancel may take so long (E2) */
#define SLOT_START_NS (60 * NS_PER_S)      /* an engine says hello within that */
#define SLOT_PROGRESS_NS (100 * NS_PER_MS) /* at least so long between two reports of one phase */

struct slot_place { /* how far an attempt is */
    Farm__Phase phase;
    uint32_t step;
    uint32_t steps;
    uint64_t amount; /* bytes fetched, thousandths of a step, frames decoded */
};

struct slot_held {
    struct attempt_name name;
    struct slot_place place;
};

enum slot_action_kind {
    SLOT_SPAWN,       /* start an engine */
    SLOT_KILL,        /* SIGKILL it */
    SLOT_RENDER,      /* tell it to render .work (borrowed until the next event) */
    SLOT_STOP,        /* ask it politely to stop .name */
    SLOT_SAVE,        /* ask it to save .name after the step that it computes */
    SLOT_WANT_PART,   /* find or fetch .part, answer with slot_core_part */
    SLOT_STARTED,     /* tell the coordinator */
    SLOT_PROGRESS,    /* .place */
    SLOT_HANDED_BACK, /* .reason, .message */
    SLOT_PREEMPTED,   /* hand .name back with what was saved of it; .message */
    SLOT_ENDED,       /* .end, .message, .steps */
    SLOT_FINISHED,    /* .work (now the shell's) and .result: outbox, or the canary's answer */
    SLOT_SAVED,       /* .work (borrowed) and .saved */
    SLOT_CANARY_FAILED,
};

struct slot_action {
    enum slot_action_kind kind;
    struct attempt_name name;
    struct slot_work *work;
    struct digest part;
    bool own; /* CANARY_FAILED: of the model .part */
    struct slot_place place;
    struct slot_saved saved;
    Farm__HandBackReason reason;
    Farm__EndKind end;
    uint32_t steps;
    struct slot_result result;
    char message[512];
};

#define SLOT_ACTIONS_MAX (12 + SLOT_PARTS_MAX)
struct slot_actions {
    struct slot_action items[SLOT_ACTIONS_MAX];
    size_t count;
};

enum slot_engine {
    SLOT_COLD,     /* none; the next one starts at restart_ns */
    SLOT_STARTING, /* spawned, no hello yet */
    SLOT_READY,
    SLOT_BUSY,  /* renders `running` */
    SLOT_DYING, /* killed, not gone yet */
};

enum slot_intent {
    SLOT_NO_INTENT,
    SLOT_INTENT_CANCEL,
    SLOT_INTENT_HUNG,
    SLOT_INTENT_PREEMPT,
    SLOT_INTENT_OVERGROWN
};

struct slot_core {
    enum slot_engine engine;
    int64_t engine_ns;       /* when it entered STARTING */
    int64_t restart_ns;      /* COLD: not before */
    unsigned deaths;         /* in a row */
    enum slot_intent intent; /* why `running` will not be finished */
    struct slot_work *running;
    struct slot_work *next;
    struct slot_place place; /* of running */
    uint32_t first_step;     /* of running: it went on from a checkpoint of so many */
    int64_t step_ns;         /* what its last step took; 0 = none yet */
    uint64_t fetched_bytes;  /* of the parts of running that have come already */
    bool loading;            /* the engine opens a model and has computed nothing since */
    double fraction;         /* of the present step or frame */
    int64_t sign_ns;         /* last progress of running */
    int64_t step_at_ns;      /* when its last step was done, or denoising began */
    int64_t stop_by_ns;      /* CANCEL: SIGKILL then */
    struct checkpoint_pace pace;
    bool saving;         /* the engine was asked and has not answered */
    int64_t leave_by_ns; /* 0 = it need not leave; else it is preempted then */
    unsigned slots;  /* of this worker: they share what checkpoints may cost; 0 = none are made */
    int64_t said_ns; /* last SLOT_PROGRESS */
    struct slot_place said;
    bool draining;
    bool closed;
};

void slot_core_init(struct slot_core *s, unsigned slots);
void slot_core_finish(struct slot_core *s);

/* Every event: appends to `out`, which must have been cleared. */
void slot_core_start(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* reason other than NONE: the shell cannot take it (no disk). The same attempt twice is ignored. */
void slot_core_assign(struct slot_core *s, struct slot_work *work, Farm__HandBackReason reason,
                      int64_t now_ns, struct slot_actions *out);
/* A part of an attempt: it stands at `path`, or err says why it cannot be had. Without room for it
 * (ERROR_FULL) the work is handed back. A model that cannot be had here may be elsewhere; pictures
 * that cannot be made of a file (ERROR_INVALID, worker/input_pool.h) are a failure, while one that
 * could not be fetched is nobody's and the work goes back; without its checkpoint an attempt begins
 * anew. */
void slot_core_part(struct slot_core *s, const struct digest *part, const char *path,
                    const struct error *err, int64_t now_ns, struct slot_actions *out);
void slot_core_fetched(struct slot_core *s, const struct digest *part, uint64_t bytes,
                       int64_t now_ns, struct slot_actions *out);
/* False: not held here. */
bool slot_core_cancel(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out);
bool slot_core_recall(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out);
/* W6: nothing new; what has not begun goes back. */
void slot_core_drain(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* W6, with a time by which to be gone: the engine saves what runs at once. What will not end by
 * then stops with that; slot_core_preempt follows in time for the rest. */
void slot_core_leave(struct slot_core *s, int64_t leave_by_ns, int64_t now_ns,
                     struct slot_actions *out);
/* The grace is over: what runs is killed and goes back. */
void slot_core_preempt(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* E3: the engine has more memory than the slot may have. */
void slot_core_overgrown(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* The engine is killed and no other one started. */
void slot_core_close(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
void slot_core_tick(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* L4: for so long nobody looked (the machine was paused, the loop waited for a disk). It is told
 * before the event that ended it: what the engine may have said meanwhile is still to be read. */
void slot_core_stood_still(struct slot_core *s, int64_t lost_ns);

/* From the engine. Answers about an attempt that is not the running one are ignored. */
void slot_core_hello(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
void slot_core_loading(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                       struct slot_actions *out);
/* Denoising begins; `step` above 0: it goes on from a checkpoint of so many steps. */
void slot_core_begun(struct slot_core *s, const struct attempt_name *name, uint32_t step,
                     uint32_t total, int64_t now_ns, struct slot_actions *out);
void slot_core_step(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                    uint32_t total, int64_t now_ns, struct slot_actions *out);
void slot_core_frame(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                     int64_t now_ns, struct slot_actions *out);
void slot_core_alive(struct slot_core *s, const struct attempt_name *name, double fraction,
                     int64_t now_ns, struct slot_actions *out);
/* NULL: it could not be saved. */
void slot_core_saved(struct slot_core *s, const struct attempt_name *name,
                     const struct slot_saved *saved, int64_t now_ns, struct slot_actions *out);
void slot_core_done(struct slot_core *s, const struct attempt_name *name,
                    const struct slot_result *result, int64_t now_ns, struct slot_actions *out);
void slot_core_failed(struct slot_core *s, const struct attempt_name *name, enum error_code code,
                      const char *message, uint32_t steps, int64_t now_ns,
                      struct slot_actions *out);
/* What was to be rendered was not told to the engine: its models are not what they were. */
void slot_core_models_changed(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* It is gone, or could not be started; `how`: "was killed by signal 9", "exited with code 3". */
void slot_core_exited(struct slot_core *s, const char *how, int64_t now_ns,
                      struct slot_actions *out);

/* ---- questions ---- */

int64_t slot_core_deadline(const struct slot_core *s); /* INT64_MAX = none */
size_t slot_core_held(const struct slot_core *s, struct slot_held out[2]);
/* What will come of all that it holds. */
void slot_core_add_results(const struct slot_core *s, struct room *room);
bool slot_core_is_idle(const struct slot_core *s);
bool slot_core_needs(const struct slot_core *s, const struct digest *part); /* for what it holds */
bool slot_core_holds(const struct slot_core *s, const struct attempt_name *name);

#endif

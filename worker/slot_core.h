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
#include "base/digest.h"
#include "base/error.h"
#include "proto/limits.h"
#include "worker/attempt_name.h"

#define SLOT_CANCEL_NS (5 * NS_PER_S)      /* a polite cancel may take so long (E2) */
#define SLOT_START_NS (60 * NS_PER_S)      /* an engine says hello within that */
#define SLOT_PROGRESS_NS (100 * NS_PER_MS) /* at least so long between two reports of one phase */

#define SLOT_PICTURES 2

struct slot_model {
    struct digest digest;
    char *folder; /* NULL until it is known to be here */
};

struct slot_work { /* an Assign; owned by the core from slot_core_assign on */
    struct attempt_name name;
    bool canary;
    char *recipe; /* canonical JSON */
    struct digest recipe_digest;
    int64_t limit_ns; /* no progress for so long ends the attempt at the coordinator */
    /* The model, then its LoRAs, then the raw pictures that it starts from: these are files, their
     * digests keys of worker/input_pool.h. */
    struct slot_model models[1 + LIMIT_LORAS + SLOT_PICTURES];
    size_t model_count;
    size_t lora_count;
    size_t init, mask; /* places of the pictures among the models; 0 = none */
};
void slot_work_free(struct slot_work *work); /* NULL is fine */

struct slot_result {
    struct digest sha256;
    struct digest frames_sha256;
    uint64_t size_bytes;
    uint32_t frames;
    uint32_t width;
    uint32_t height;
    uint32_t steps;
    uint64_t render_ms;
};

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
    SLOT_WANT_MODEL,  /* find or fetch .model, answer with slot_core_model */
    SLOT_STARTED,     /* tell the coordinator */
    SLOT_PROGRESS,    /* .place */
    SLOT_HANDED_BACK, /* .reason, .message */
    SLOT_ENDED,       /* .end, .message, .steps */
    SLOT_FINISHED,    /* .work (now the shell's) and .result: outbox, or the canary's answer */
    SLOT_CANARY_FAILED,
};

struct slot_action {
    enum slot_action_kind kind;
    struct attempt_name name;
    struct slot_work *work;
    struct digest model;
    struct slot_place place;
    Farm__HandBackReason reason;
    Farm__EndKind end;
    uint32_t steps;
    struct slot_result result;
    char message[512];
};

#define SLOT_ACTIONS_MAX (12 + LIMIT_LORAS + SLOT_PICTURES)
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

enum slot_intent { SLOT_NO_INTENT, SLOT_CANCELED, SLOT_HUNG, SLOT_PREEMPTED, SLOT_OVERGROWN };

struct slot_core {
    enum slot_engine engine;
    int64_t engine_ns;       /* when it entered STARTING */
    int64_t restart_ns;      /* COLD: not before */
    unsigned deaths;         /* in a row */
    enum slot_intent intent; /* why `running` will not be finished */
    struct slot_work *running;
    struct slot_work *next;
    struct slot_place place; /* of running */
    uint64_t fetched_bytes;  /* of the models of running that have come already */
    bool loading;            /* the engine opens a model and has computed nothing since */
    double fraction;         /* of the present step or frame */
    int64_t sign_ns;         /* last progress of running */
    int64_t stop_by_ns;      /* CANCELED: SIGKILL then */
    int64_t said_ns;         /* last SLOT_PROGRESS */
    struct slot_place said;
    bool draining;
    bool closed;
};

void slot_core_init(struct slot_core *s);
void slot_core_finish(struct slot_core *s);

/* Every event: appends to `out`, which must have been cleared. */
void slot_core_start(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* reason other than NONE: the shell cannot take it (no disk). The same attempt twice is ignored. */
void slot_core_assign(struct slot_core *s, struct slot_work *work, Farm__HandBackReason reason,
                      int64_t now_ns, struct slot_actions *out);
/* folder NULL: it cannot be had, `message` says why. */
void slot_core_model(struct slot_core *s, const struct digest *model, const char *folder,
                     const char *message, int64_t now_ns, struct slot_actions *out);
void slot_core_fetched(struct slot_core *s, const struct digest *model, uint64_t bytes,
                       int64_t now_ns, struct slot_actions *out);
/* False: not held here. */
bool slot_core_cancel(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out);
bool slot_core_recall(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out);
/* W6: nothing new; what has not begun goes back. */
void slot_core_drain(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* The grace is over: what runs is killed and goes back. */
void slot_core_preempt(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* E3: the engine has more memory than the slot may have. */
void slot_core_overgrown(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
/* The engine is killed and no other one started. */
void slot_core_close(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
void slot_core_tick(struct slot_core *s, int64_t now_ns, struct slot_actions *out);

/* From the engine. Answers about an attempt that is not the running one are ignored. */
void slot_core_hello(struct slot_core *s, int64_t now_ns, struct slot_actions *out);
void slot_core_loading(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                       struct slot_actions *out);
void slot_core_step(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                    uint32_t total, int64_t now_ns, struct slot_actions *out);
void slot_core_frame(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                     int64_t now_ns, struct slot_actions *out);
void slot_core_alive(struct slot_core *s, const struct attempt_name *name, double fraction,
                     int64_t now_ns, struct slot_actions *out);
void slot_core_done(struct slot_core *s, const struct attempt_name *name,
                    const struct slot_result *result, int64_t now_ns, struct slot_actions *out);
void slot_core_failed(struct slot_core *s, const struct attempt_name *name, enum error_code code,
                      const char *message, uint32_t steps, int64_t now_ns,
                      struct slot_actions *out);
/* It is gone, or could not be started; `how`: "was killed by signal 9", "exited with code 3". */
void slot_core_exited(struct slot_core *s, const char *how, int64_t now_ns,
                      struct slot_actions *out);

/* ---- questions ---- */

int64_t slot_core_deadline(const struct slot_core *s); /* INT64_MAX = none */
size_t slot_core_held(const struct slot_core *s, struct slot_held out[2]);
bool slot_core_is_idle(const struct slot_core *s);
bool slot_core_holds(const struct slot_core *s, const struct attempt_name *name);

#endif

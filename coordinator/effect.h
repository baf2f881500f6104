/* effect: what the pure core wants done, as data.
 *
 * Every event function of farm.h appends to one list. At the end of a loop turn the shell
 *   1. writes every effect that effect_is_write() names, in order, in one transaction, and commits;
 *   2. sends the messages and starts the jobs, in order;
 *   3. calls effects_clear().
 * When the commit fails nothing is sent: the core is thrown away and loaded again from the store.
 * SAVE_BATCH and SAVE_PAGE name what is dirty, once a turn; the shell asks farm_batch_record() and
 * farm_page() for the content. All other effects carry theirs; texts live until effects_clear(). */
#ifndef ZOE_COORDINATOR_EFFECT_H
#define ZOE_COORDINATOR_EFFECT_H

#include <stddef.h>

#include "coordinator/record.h"

enum effect_kind {
    /* writes */
    EFFECT_SAVE_BATCH,    /* .batch: its record changed (its spec is written by who accepted it) */
    EFFECT_SAVE_PRIORITY, /* .priority: of its spec */
    EFFECT_SAVE_PAGE,     /* .page */
    EFFECT_REMOVE_BATCH,  /* .batch: every row of it, its prompts and artifact uses; the core forgot
                             it */
    EFFECT_SAVE_TASK,     /* .task: insert or replace */
    EFFECT_SAVE_ATTEMPT,  /* .attempt: a lease begins */
    EFFECT_END_ATTEMPT,   /* .end */
    EFFECT_SAVE_OUTPUT,   /* .output: its file stands under its digest already; one use more */
    EFFECT_DROP_OUTPUTS,  /* .task_key: all its output rows, a checkpoint's too; unlink what nobody
                             uses any more */
    EFFECT_DROP_CHECKPOINT, /* .task_key: the row of its checkpoint */
    EFFECT_RETIRE_CLIP,     /* .task_key: a clip of several tasks is published: its segments and its
                               last latents are kept for their time, the other outputs go (A4) */
    EFFECT_SAVE_CLIP,       /* .clip */
    EFFECT_SAVE_WORKER,     /* .worker */
    EFFECT_EVENT,           /* .event: the store numbers it; watchers hear it after the commit */
    /* messages to a worker's session (.message; numbered ones carry number > 0) */
    EFFECT_WELCOME,       /* heartbeat_ms */
    EFFECT_CLOSE_SESSION, /* Bye with `text`; the session is over for the core already */
    EFFECT_ASSIGN,  /* numbered: attempt, slot, prefetch, canary, limit_ns; task.shape's model */
    EFFECT_CANCEL,  /* numbered: attempt, text */
    EFFECT_RECALL,  /* numbered: attempt */
    EFFECT_DRAIN,   /* numbered: grace_ns */
    EFFECT_CREDIT,  /* attempt, output, offset, size_bytes */
    EFFECT_STORED,  /* attempt */
    EFFECT_DROPPED, /* attempt, drop, text */
    EFFECT_CHECKPOINT_SEEN, /* attempt, step, kept */
    /* jobs of the shell (.job) */
    EFFECT_VERIFY,             /* media child on this attempt's uploaded outputs -> farm_verdict */
    EFFECT_VERIFY_CHECKPOINT,  /* media child on its checkpoint (outputs[0]) ->
                                  farm_checkpoint_verdict */
    EFFECT_DISCARD_UPLOAD,     /* the temporary files of this attempt are of no use any more */
    EFFECT_DISCARD_CHECKPOINT, /* that of its checkpoint */
    EFFECT_STITCH, /* make the clip's video of its tasks' segments -> farm_clip_stitched or
                      farm_stitch_failed */
    EFFECT_RENAME, /* B2 after its commit -> farm_clip_renamed, or farm_stitch_again */
    EFFECT_KIND_COUNT
};

enum drop_reason { /* the same numbers as farm.proto's DropReason */
                   DROP_NONE,
                   DROP_DONE,
                   DROP_CANCELED,
                   DROP_UNKNOWN,
                   DROP_FENCED,
                   DROP_REJECTED,
                   DROP_MISMATCH
};

struct effect_message {
    const char *worker;
    uint64_t session;
    uint64_t number;            /* 1, 2, 3 ... within a session; 0 = not numbered */
    struct attempt_key attempt; /* as the worker names it */
    uint32_t slot;
    bool prefetch;
    bool canary;
    struct digest model; /* of an assigned task's stage, of a model's own canary; else zero */
    bool resume;         /* it goes on from the task's checkpoint */
    uint32_t step;       /* of a checkpoint */
    bool kept;
    int64_t limit_ns;
    int64_t around_limit_ns; /* before and after the steps; 0 = limit_ns */
    int64_t grace_ns;
    uint32_t heartbeat_ms;
    uint32_t output; /* credit: send `size_bytes` of this output from `offset` */
    uint64_t offset;
    uint64_t size_bytes;
    enum drop_reason drop;
    const char *text;
};

struct effect_job {
    struct task_key task;
    /* VERIFY and DISCARD_UPLOAD: */
    const char *worker;
    uint64_t worker_fence; /* temporary files are named by worker, task and this */
    uint32_t output_count;
    struct output outputs[LIMIT_OUTPUTS];
    /* VERIFY and STITCH: what the clip must be */
    struct shape shape;
    bool doubted; /* STITCH: its child failed before; should it again, its segments are read */
};

struct effect {
    enum effect_kind kind;
    union {
        char batch[ID_BATCH_SIZE];
        struct {
            char batch[ID_BATCH_SIZE];
            uint32_t index;
        } page;
        struct {
            char batch[ID_BATCH_SIZE];
            int32_t value;
        } priority;
        struct task_key task_key;
        struct task_record task;
        struct attempt_record attempt;
        struct attempt_end_record end;
        struct output_record output;
        struct clip_record clip;
        struct worker_record worker;
        struct event_record event;
        struct effect_message message;
        struct effect_job job;
    };
};

struct effects {
    struct effect *items;
    size_t count;
    size_t capacity;
    char **texts; /* owned copies that items point to */
    size_t text_count;
    size_t text_capacity;
    uint64_t turn; /* counts effects_clear: what is dirty is listed once a turn */
};

void effects_init(struct effects *list);
void effects_finish(struct effects *list);
void effects_clear(struct effects *list);

/* A zeroed effect at the end; valid until the next addition. */
struct effect *effects_add(struct effects *list, enum effect_kind kind);
/* A copy that lives until effects_clear; NULL becomes "". */
const char *effects_text(struct effects *list, const char *text);

bool effect_is_write(enum effect_kind kind);
bool effect_is_message(enum effect_kind kind);
bool effect_is_job(enum effect_kind kind);
const char *effect_name(enum effect_kind kind); /* for logs and tests; never NULL */

#endif

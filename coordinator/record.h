/* record: the words that the pure core, the store and the shell share: addresses, states, counters
 * and the rows that are kept on disk.
 *
 * Texts inside a record are borrowed: from the effect list when the core writes, from the caller
 * when it loads. Times are wall milliseconds for display only; no decision reads them. */
#ifndef ZOE_COORDINATOR_RECORD_H
#define ZOE_COORDINATOR_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/output_kind.h"
#include "base/plan.h"
#include "proto/limits.h"

/* ---- addresses ---- */

struct task_key { /* batch/clip.task: `task` is a number of the clip's plan; a short clip has 0 */
    char batch[ID_BATCH_SIZE];
    uint32_t clip;
    uint32_t task;
};

/* An attempt as its worker names it. A canary has an empty batch and its number as fence. */
struct attempt_key {
    struct task_key task;
    uint64_t fence;
};

/* ---- states ---- */

enum batch_state {
    BATCH_QUEUED,
    BATCH_RUNNING,
    BATCH_PAUSED,
    BATCH_DONE,
    BATCH_FAILED,
    BATCH_CANCELED,
    BATCH_STATE_COUNT
};

/* What one byte of a page says about a clip. People see fewer words: the first three are
 * "rendering", the next two "publishing". */
enum clip_state {
    CLIP_WAITING,    /* nothing was ever started: no row anywhere */
    CLIP_RETRY,      /* waiting, with a history: an open task row */
    CLIP_LEASED,     /* at least one live attempt */
    CLIP_STITCHING,  /* its outputs are stored; the video is being made */
    CLIP_PUBLISHING, /* publishing(sha256) is committed; being renamed */
    CLIP_PUBLISHED,
    CLIP_FAILED,
    CLIP_CANCELED,
    CLIP_STATE_COUNT
};

#define CLIP_STATE_MASK 0x0f
#define CLIP_SUSPECT_BIT 0x80 /* published, but every frame is black or the same */
#define CLIPS_PER_PAGE 4096

enum task_state {
    TASK_WAITING,
    TASK_LEASED,
    TASK_DONE,
    TASK_FAILED,
    TASK_CANCELED,
    TASK_STATE_COUNT
};

/* The one way in which an attempt ended (T3). */
enum attempt_end {
    END_LIVE,        /* it has not */
    END_DONE,        /* its outputs are stored */
    END_HANDED_BACK, /* the worker drains, was asked, or refused before it began */
    END_PREEMPTED,
    END_LOST,
    END_HUNG,
    END_FAILED,
    END_REJECTED,
    END_RECIPE,     /* nobody's fault and no retry helps */
    END_CANCELED,   /* by a person */
    END_SUPERSEDED, /* another attempt was first */
    END_SUSPECT,    /* all black or still: rendered once more (T9) */
    END_COMPARED,   /* drawn by lot: rendered once more and compared (W8) */
    END_COUNT
};

enum attempt_phase { /* the same order and numbers as farm.proto's Phase */
                     PHASE_NONE,
                     PHASE_PREFETCHED,
                     PHASE_FETCHING,
                     PHASE_LOADING,
                     PHASE_RENDERING,
                     PHASE_DECODING,
                     PHASE_UPLOADING,
                     PHASE_COUNT
};

enum worker_state {
    WORKER_JOINING,
    WORKER_CANARY,
    WORKER_IDLE,
    WORKER_BUSY,
    WORKER_DRAINING,
    WORKER_DRAINED,
    WORKER_UNREACHABLE,
    WORKER_QUARANTINED,
    WORKER_OFFLINE,
    WORKER_STATE_COUNT
};

enum suspect { SUSPECT_NONE, SUSPECT_BLACK, SUSPECT_STILL };

/* The words of design section 2 (clip states as people see them); never NULL. */
const char *batch_state_name(enum batch_state state);
const char *clip_state_name(enum clip_state state);
const char *task_state_name(enum task_state state);
const char *attempt_end_name(enum attempt_end end); /* "handed_back", "lost", ... */
const char *worker_state_name(enum worker_state state);
const char *suspect_name(enum suspect suspect); /* "" for none */
bool batch_state_is_terminal(enum batch_state state);

/* ---- counters ---- */

struct clip_counts {
    uint64_t by_state[CLIP_STATE_COUNT]; /* they sum to the number of clips (I3) */
    uint64_t suspect;                    /* of the published */
};

/* ---- a batch ---- */

struct shape { /* what a group's clips have in common */
    struct digest model;
    char model_name[LIMIT_NAME_BYTES + 1];
    struct digest loras; /* of the recipe's LoRAs with their strengths; zero = none */
    uint32_t width;
    uint32_t height;
    uint32_t frames;
    uint32_t steps;
    uint32_t fps;
    enum output_kind output;
    uint64_t memory_bytes;      /* that a task takes, 0 = not known (S1) */
    struct plan plan;           /* the tasks of each clip */
    struct digest second_model; /* of stage 1; zero = the plan has none */
    char second_name[LIMIT_NAME_BYTES + 1];
    uint32_t second_width;
    uint32_t second_height;
    uint32_t second_steps;
    uint64_t second_memory_bytes;
};

struct clip_run { /* clips first_clip .. next run's first_clip - 1 belong to `group` */
    uint32_t first_clip;
    uint32_t group;
};

/* Fixed at acceptance. */
struct batch_spec {
    char id[ID_BATCH_SIZE];
    const char *name;
    const char *owner;
    int32_t priority;  /* -1000 .. 1000, higher first */
    uint64_t sequence; /* submit order, unique, from 1 */
    int64_t created_ms;
    uint64_t prompts;
    uint32_t clips;              /* 1 .. LIMIT_SUBMIT_CLIPS */
    const struct shape *shapes;  /* one a group, all different */
    uint32_t groups;             /* 1 .. LIMIT_GROUPS */
    const struct clip_run *runs; /* ascending, runs[0].first_clip == 0 */
    uint32_t run_count;
};

#define BATCH_ROUNDS_MAX 65535

/* What changes. group_counts has one entry a group. */
struct batch_record {
    enum batch_state state;
    uint32_t round; /* how often it was retried: the middle bits of its fences */
    bool started;   /* some attempt was leased: `resume` goes back to running */
    int64_t finished_ms;
    uint64_t attempts;
    uint64_t steps_computed;
    uint64_t steps_wasted;
    const struct clip_counts *group_counts;
};

/* ---- tasks, attempts, outputs, clips ---- */

struct task_record {
    struct task_key key;
    enum task_state state;
    bool open;         /* held in memory: exactly these rows are loaded at start */
    uint64_t fence;    /* the last one given */
    uint32_t attempts; /* ever begun */
    uint32_t counted;  /* ends that counted against the task */
    uint32_t losses;   /* ends as lost */
    uint32_t blamed_count;
    const char *blamed[RETRY_DISTINCT_WORKERS]; /* workers that counted against it */
    const char
        *winner; /* worker whose outputs are stored, or were set aside (opinion.h); NULL = none */
    uint64_t winner_fence;    /* as that worker names the attempt */
    uint64_t output_bytes;    /* of the stored outputs: what stitching will need */
    const char *fingerprint;  /* of the stored outputs, "" = none: it pins the clip (S7) */
    uint32_t checkpoint_step; /* steps done in the stored checkpoint; 0 = none */
    const char *checkpoint_fingerprint;
    uint64_t checkpoint_fence; /* of the attempt that made it */
    enum suspect suspect; /* of a task that is not done: why a result was set aside, by winner */
    const char *why;      /* "" or, when failed: an end's name, "stitch", "dependency" */
    const char *message;  /* "" or the words for people */
};

/* A lease: written before its Assign leaves, ended by an attempt_end_record. */
struct attempt_record {
    struct task_key task;
    uint64_t fence;        /* the row's own number */
    uint64_t worker_fence; /* what the worker calls it; differs when an old result was adopted */
    const char *worker;
    uint32_t slot;
    uint32_t resumed_step; /* of the checkpoint it began from; 0 = anew */
};

struct attempt_end_record {
    struct task_key task;
    uint64_t fence; /* of attempt_record */
    enum attempt_end end;
    const char *message;
    const char *log_tail;
    uint32_t steps_computed;
    uint32_t steps_wasted;
    uint64_t render_ms;
};

struct output {    /* as offered, and as stored once it is verified */
    char kind[16]; /* "segment", "latents", "checkpoint" or "report" */
    struct digest sha256;
    uint64_t size_bytes;
    struct digest frames_sha256;
    uint32_t frames; /* of a checkpoint: steps done */
    uint32_t width;
    uint32_t height;
};

/* The same bytes, one by one; what is said of them is for a check to find out. */
bool outputs_are_same(const struct output *a, uint32_t a_count, const struct output *b,
                      uint32_t b_count);

struct output_record { /* one use of a digest (A2) */
    struct task_key task;
    uint32_t index; /* CHECKPOINT_OUTPUT: its checkpoint */
    struct output output;
    const char *fingerprint;
};

struct clip_record { /* publishing, published or failed; the last one written counts */
    char batch[ID_BATCH_SIZE];
    uint32_t clip;
    enum clip_state state;
    struct digest sha256; /* of the video; zero when failed */
    uint64_t size_bytes;
    uint64_t sidecar_bytes;
    const char *file; /* relative to the batch's folder; "" when failed */
    enum suspect suspect;
    const char *worker; /* that made it */
    uint32_t attempts;
    const char *why; /* when failed */
    const char *message;
};

/* ---- workers and events ---- */

struct worker_record {
    const char *name; /* the key's User-Id */
    uint8_t boot_id[ID_BOOT_BYTES];
    const char *machine_id;
    const char *host;
    const char *build;
    bool admitted; /* a right canary since this boot */
    enum worker_state state;
    const char *reason;
    const char *by;
    int64_t since_ms;
    uint64_t finished;
    uint64_t failed; /* counted ends */
    uint64_t lost;
};

struct event_record {
    const char *kind;  /* "clip.published", "attempt.lost", "worker.joined", ... */
    const char *batch; /* "" = none */
    bool has_clip;
    uint32_t clip;
    const char *worker; /* "" = none */
    const char *message;
    int64_t at_ms;
};

#endif

/* farm: the pure core of the coordinator. All state machines of docs/lifecycle.md
 * behind one facade: (state, event, now) -> effects. No I/O, no clock, no thread of its own; two
 * farms given the same events do the same things.
 *
 * A loop turn of the shell:
 *     farm_wall(f, wall_ms);
 *     ... one call for each thing that happened, with the same now_ns ...
 *     farm_turn(f, now_ns, sockets_were_empty);     expiry, retries, dispatch, credit
 *     write, commit, send, start jobs;              see effect.h
 *     effects_clear(farm_effects(f));
 * and it sleeps until farm_next_deadline() at the latest.
 *
 * Rule numbers (T1, L2, ...) are the lifecycle's. Texts in events are copied when kept. Everything
 * that comes from a peer is checked by the codec for form and here for sense: events that make no
 * sense any more (stale session, ended attempt) are answered or ignored, never an error. */
#ifndef ZOE_COORDINATOR_FARM_H
#define ZOE_COORDINATOR_FARM_H

#include "base/error.h"
#include "coordinator/effect.h"
#include "coordinator/record.h"
#include "coordinator/verdict.h"

struct farm;

struct farm_config {
    uint64_t seed;          /* of the jitter */
    uint64_t first_session; /* epochs start above it; larger at every start (wall ms will do) */
    uint32_t generation;    /* high bits of every fence, 0 .. 32767; `restore` raises it */
    struct digest canary_answer; /* frames of the `pattern` canary */
    uint32_t compare_one_in;     /* results are rendered twice and compared; 0 = none, 1 = all */
};

struct farm *farm_new(const struct farm_config *config);
void farm_free(struct farm *f);
struct effects *farm_effects(struct farm *f);

/* ---- start: what the store holds, in this order, then farm_loaded ---- */

bool farm_load_worker(struct farm *f, const struct worker_record *record, struct error *err);
bool farm_load_batch(struct farm *f, const struct batch_spec *spec,
                     const struct batch_record *record, struct error *err);
/* CLIPS_PER_PAGE bytes; pages never saved are all waiting. Not needed for batches that are done. */
bool farm_load_page(struct farm *f, const char *batch, uint32_t index, const uint8_t *states,
                    struct error *err);
/* Rows with open = true only; of attempts those that have not ended. */
bool farm_load_task(struct farm *f, const struct task_record *record, struct error *err);
bool farm_load_attempt(struct farm *f, const struct attempt_record *record, struct error *err);
/* L3: every lease gets its grace; unfinished stitching and renaming is asked for again. */
void farm_loaded(struct farm *f, int64_t now_ns);

/* ---- turns ---- */

void farm_wall(struct farm *f, int64_t wall_ms); /* display only */
void farm_turn(struct farm *f, int64_t now_ns, bool sockets_were_empty);
/* When farm_turn must be called again at the latest; INT64_MAX when nothing is pending. */
int64_t farm_next_deadline(const struct farm *f);

/* ---- workers ---- */

struct farm_slot {
    const char *backend;
    const char *fingerprint;
    uint32_t threads;
    uint64_t memory_bytes;
};

struct farm_held { /* an attempt as its worker sees it */
    struct attempt_key attempt;
    uint32_t slot;
    enum attempt_phase phase;
    uint32_t step;   /* of its task: done, those of the checkpoint it resumed from counted in */
    uint32_t steps;  /* of its task: its plan's step_end - step_first; 0 when it only decodes */
    uint64_t amount; /* frames decoded or bytes moved in this phase; 0 in Hello and Heartbeat */
};

struct farm_hello {
    const char *worker; /* the key's User-Id */
    uint8_t boot_id[ID_BOOT_BYTES];
    const char *machine_id;
    const char *host;
    const char *build;
    const struct farm_slot *slots; /* 1 .. LIMIT_SLOTS */
    uint32_t slot_count;
    const struct farm_held *held;
    uint32_t held_count;
    uint64_t last_session; /* the session that last_message counts in; 0 = unknown */
    uint64_t last_message;
    bool draining;
};

/* W1. A new epoch and an EFFECT_WELCOME; the older session of this worker, if any, gets
 * EFFECT_CLOSE_SESSION. Refused (ERROR_REFUSED) when the key is in use on another machine. */
bool farm_hello(struct farm *f, const struct farm_hello *hello, int64_t now_ns,
                uint64_t *session_out, struct error *err);
/* A bulk connection joined the session. Chunks lost with an older one are the worker's to mend: it
 * offers again, and credit starts anew at what was received. False: no such session. */
bool farm_bulk(struct farm *f, uint64_t session, int64_t now_ns);
/* Any message of the session at all. The calls below imply it; needed for messages that the core
 * has no event for (model files, chunks). False: the session is not current: say WhoAreYou. */
bool farm_heard(struct farm *f, uint64_t session, int64_t now_ns);

struct farm_heartbeat {
    uint64_t last_message;
    const struct farm_held *held;
    uint32_t held_count;
    uint64_t memory_bytes;
    uint32_t outbox_count;
    bool draining;
    bool disk_low; /* no room for two results: takes no task (W5) */
    uint64_t disk_free_bytes;
};

void farm_heartbeat(struct farm *f, uint64_t session, const struct farm_heartbeat *beat,
                    int64_t now_ns);
void farm_progress(struct farm *f, uint64_t session, const struct farm_held *at, int64_t now_ns);
void farm_started(struct farm *f, uint64_t session, const struct attempt_key *key, int64_t now_ns);

enum hand_back_reason { /* the same numbers as farm.proto's HandBackReason */
                        HAND_BACK_NONE,
                        HAND_BACK_DRAINING,
                        HAND_BACK_RECALLED,
                        HAND_BACK_MODEL,
                        HAND_BACK_MEMORY,
                        HAND_BACK_DISK,
                        HAND_BACK_PREEMPTED,
                        HAND_BACK_UNKNOWN
};

void farm_handed_back(struct farm *f, uint64_t session, const struct attempt_key *key,
                      enum hand_back_reason reason, const char *message, int64_t now_ns);
/* Its Assign could not be made, for what it begins with is not here: `lacks` as in returns.h,
 * RETURNS_NOTHING when the farm makes it again. Its worker knows nothing of it. */
void farm_not_sent(struct farm *f, uint64_t session, const struct attempt_key *key, uint64_t lacks,
                   const char *message, int64_t now_ns);
/* It is live, and nobody asked for it back: when it is, what it goes on from could not be had. */
bool farm_is_wanted(const struct farm *f, const char *worker, const struct attempt_key *key);

struct farm_ended {
    struct attempt_key attempt;
    enum attempt_end end; /* END_FAILED, END_HUNG, END_RECIPE or END_CANCELED */
    const char *message;
    const char *log_tail;
    uint32_t steps_computed;
};

void farm_ended(struct farm *f, uint64_t session, const struct farm_ended *ended, int64_t now_ns);
/* The canary of `pattern`. frames_sha256 NULL: it failed, `message` says how. */
void farm_canary_done(struct farm *f, uint64_t session, uint64_t number,
                      const struct digest *frames_sha256, const char *message, int64_t now_ns);
/* W6. `drained`: its last words; the session ends. */
void farm_leaving(struct farm *f, uint64_t session, const char *reason, bool drained,
                  int64_t now_ns);
/* Whether a drain would change anything; false for a worker that nobody knows. */
bool farm_drain_is_news(const struct farm *f, const char *worker, int64_t grace_ns, int64_t now_ns);
/* An operator drains a worker; grace 0: without a limit. Idempotent; of several the one that ends
 * first counts. */
bool farm_drain(struct farm *f, const char *worker, int64_t grace_ns, const char *by,
                int64_t now_ns, struct error *err);
/* W3, by an operator: the last reason stands. Out of it leads farm_readmit (else ERROR_STATE). */
bool farm_quarantine(struct farm *f, const char *worker, const char *reason, const char *by,
                     int64_t now_ns, struct error *err);
bool farm_readmit(struct farm *f, const char *worker, const char *by, struct error *err);
/* Its key was revoked: session and attempts end. */
void farm_revoke(struct farm *f, const char *worker, int64_t now_ns);

/* ---- results ---- */

struct farm_offer {
    struct attempt_key attempt;
    bool matches; /* recipe digest, model digest and form are the task's */
    const char *fingerprint;
    uint32_t output_count; /* 1 .. LIMIT_OUTPUTS */
    struct output outputs[LIMIT_OUTPUTS];
    uint64_t received[LIMIT_OUTPUTS]; /* bytes that stand in this attempt's temporary files */
    uint32_t steps_computed;          /* by this attempt: without those it resumed from */
    uint32_t steps_wasted;            /* of these, not in the result */
    uint64_t render_ms;
    const struct task_record *row; /* the stored row if farm_offer_wants_row; NULL = none */
    const char *given_to; /* whom the store says that it was given to, if farm_offer_is_foreign */
};

/* What must come with an offer: its task's row, if there is one; whose its attempt was. */
bool farm_offer_wants_row(const struct farm *f, const struct task_key *task);
bool farm_offer_is_foreign(const struct farm *f, uint64_t session, const struct attempt_key *key);
/* T2: leads to EFFECT_CREDIT, EFFECT_STORED or EFFECT_DROPPED. May be repeated. When `received`
 * covers every output the shell goes on to farm_uploaded, as after the last chunk. */
void farm_offer(struct farm *f, uint64_t session, const struct farm_offer *offer, int64_t now_ns);
/* Other outputs than those whose bytes are all here: these are judged, and their files stay. */
bool farm_offer_differs(const struct farm *f, const char *worker, const struct farm_offer *offer);
/* The first `offset` bytes of `output` are written. Credit flows in order of outputs; bytes that
 * are not the next ones are the shell's to ignore. False: no such upload, ignore the chunk. */
bool farm_received(struct farm *f, uint64_t session, const struct attempt_key *key, uint32_t output,
                   uint64_t offset, int64_t now_ns);
/* How many bytes of this output may arrive now: [*offset_out, *end_out). False: none. */
bool farm_upload_window(const struct farm *f, uint64_t session, const struct attempt_key *key,
                        uint32_t output, uint64_t *offset_out, uint64_t *end_out);
/* Whether a live attempt of this name has something on offer: its temporary files are of use. */
bool farm_has_upload(const struct farm *f, const char *worker, const struct attempt_key *key);
/* All bytes of all outputs are hashed. Wrong: started again once, then rejected. */
void farm_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                   bool digests_right, int64_t now_ns);
/* All bytes had come, and the disk did not keep them. Nobody's fault: the shell offers once more
 * what stands (farm_offer), and the others are asked for again. */
void farm_upload_lost(struct farm *f, const char *worker, const struct attempt_key *key,
                      int64_t now_ns);
void farm_verdict(struct farm *f, const char *worker, const struct attempt_key *key,
                  const struct farm_verdict *verdict, int64_t now_ns);

/* ---- checkpoints (T6) ---- */

struct farm_checkpoint {
    struct attempt_key attempt;
    bool matches; /* recipe digest and sizes are the task's */
    const char *fingerprint;
    uint32_t step;
    struct output output; /* kind "checkpoint", frames = step */
    uint64_t received;    /* bytes that stand in its temporary file */
    bool leaving;         /* its worker waits for it */
};

/* Leads to EFFECT_CREDIT with output CHECKPOINT_OUTPUT and in the end to EFFECT_CHECKPOINT_SEEN.
 * Bytes come in with farm_received and farm_upload_window as those of results do. A newer one of
 * the same attempt takes the place of one that is on its way: the shell throws the older one's
 * bytes and its pending hash or verdict away as it hands the newer one over. What comes later than
 * the attempt's end is ignored. When `received` covers it the shell goes on to
 * farm_checkpoint_uploaded, as after the last chunk. VERDICT_SOUND: it stands under its digest's
 * name, synced; every other verdict drops it. After EFFECT_DISCARD_CHECKPOINT nothing more is
 * expected of it (unless farm_has_checkpoint says that another came in the same turn). */
void farm_checkpoint(struct farm *f, uint64_t session, const struct farm_checkpoint *checkpoint,
                     int64_t now_ns);
/* Whether one of this attempt is on its way: its temporary file is of use. */
bool farm_has_checkpoint(const struct farm *f, const char *worker, const struct attempt_key *key);
/* All bytes are in and hashed. */
void farm_checkpoint_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                              bool digest_right, int64_t now_ns);
void farm_checkpoint_verdict(struct farm *f, const char *worker, const struct attempt_key *key,
                             enum verdict_kind kind, const char *message, int64_t now_ns);

/* A stored output is missing or damaged: a done task is made again (A3), a checkpoint forgotten. */
void farm_output_missing(struct farm *f, const struct task_key *task, bool checkpoint,
                         int64_t now_ns);

/* ---- publishing (B2) ---- */

struct farm_video {
    struct digest sha256;
    uint64_t size_bytes;
    uint64_t sidecar_bytes;
    const char *file; /* relative to the batch's folder */
};

/* Temporary MP4 and sidecar stand, synced, in the target's own folder. */
void farm_clip_stitched(struct farm *f, const char *batch, uint32_t clip,
                        const struct farm_video *video, int64_t now_ns);
/* Both have their final names (`video->file`), the folder is synced. */
void farm_clip_renamed(struct farm *f, const char *batch, uint32_t clip,
                       const struct farm_video *video, int64_t now_ns);

/* `tasks`: with STITCH_MISSING those whose outputs are at fault; none given = task 0. */
void farm_stitch_failed(struct farm *f, const char *batch, uint32_t clip,
                        enum stitch_failure failure, const uint32_t *tasks, uint32_t task_count,
                        const char *message, int64_t now_ns);

/* ---- batches ---- */

/* Accepted: everything of it is on disk or in this turn's transaction. */
bool farm_batch_add(struct farm *f, const struct batch_spec *spec, struct error *err);
/* B4, idempotent. ERROR_NOT_FOUND, or ERROR_STATE when it makes no sense. */
bool farm_batch_pause(struct farm *f, const char *batch, struct error *err);
bool farm_batch_resume(struct farm *f, const char *batch, struct error *err);
bool farm_batch_cancel(struct farm *f, const char *batch, int64_t now_ns, struct error *err);
bool farm_batch_retry(struct farm *f, const char *batch, struct error *err);
/* A file that its recipes start from is here, perhaps again. */
void farm_input_came(struct farm *f, const char *batch, const struct digest *sha256);
bool farm_batch_remove(struct farm *f, const char *batch, struct error *err);
/* S2, from the next pick on. */
bool farm_batch_priority(struct farm *f, const char *batch, int32_t priority, struct error *err);
/* S2: how much of the farm an owner should get beside others, at least 1 (the default). Kept for
 * this run: said again at each start. */
void farm_owner_share(struct farm *f, const char *owner, uint32_t share, int64_t now_ns);

/* ---- disk (D1) ---- */

void farm_disk(struct farm *f, uint64_t free_bytes, uint64_t total_bytes);
bool farm_disk_is_low(const struct farm *f); /* submits are refused */

/* Credit for uploads that the core does not know (submits), from the one pool (D3). Returns how
 * much was lent, 0 .. wanted. */
uint64_t farm_credit_borrow(struct farm *f, uint64_t wanted_bytes);
void farm_credit_return(struct farm *f, uint64_t size_bytes);

/* ---- content of SAVE_BATCH and SAVE_PAGE ---- */

/* Borrowed pointers live until the next event. False: no such batch. */
bool farm_batch_record(const struct farm *f, const char *batch, struct batch_record *out);
bool farm_page(const struct farm *f, const char *batch, uint32_t index,
               uint8_t out[CLIPS_PER_PAGE]);

/* ---- questions; nothing here scans clips ---- */

struct batch_brief { /* what each write and each piece of a file needs; costs nothing */
    const char *owner;
    uint32_t groups;
};

struct batch_info {
    const char *id; /* texts are borrowed until the next event */
    const char *name;
    const char *owner;
    enum batch_state state;
    int32_t priority;
    uint64_t sequence;
    int64_t created_ms;
    int64_t finished_ms; /* 0 = not yet */
    uint64_t prompts;
    uint32_t clips;
    struct clip_counts counts;
    uint32_t groups;
    uint64_t attempts;
    uint64_t steps_computed;
    uint64_t steps_wasted;
    int64_t eta_ns; /* 0 = unknown or finished */
};

struct group_info {
    struct shape shape;
    struct clip_counts counts;
};

struct clip_progress { /* of a clip with several tasks */
    uint32_t tasks;
    uint32_t done;
};

struct running_info { /* a live attempt */
    struct attempt_key attempt;
    const char *worker;
    enum attempt_phase phase;
    uint32_t step;
    uint32_t steps;
    int64_t age_ns;
};

struct reason_info {  /* why clips of a batch wait (S6) */
    const char *code; /* paused disk_low no_worker model_refused memory retry_wait pinned hazard
                         busy inputs: static */
    uint64_t count;
    char message[160];
};
#define REASONS_MAX 12 /* as many as there are */

struct worker_info {
    const char *name;
    enum worker_state state;
    const char *reason;
    const char *by;
    const char *host;
    const char *build;
    int64_t since_ms;
    int64_t silent_ns; /* since its last message; -1 = never heard in this run */
    const struct farm_slot *slots;
    uint32_t slot_count;
    uint64_t session; /* 0 = none */
    uint64_t finished;
    uint64_t failed;
    uint64_t lost;
    uint64_t memory_bytes;
    uint32_t outbox_count;
};

struct farm_totals {
    uint64_t batches;
    uint64_t batches_unfinished;
    struct clip_counts clips;
    uint32_t workers; /* known and not offline */
    uint32_t workers_in[WORKER_STATE_COUNT];
    uint32_t slots; /* of those that are heard */
    uint64_t attempts;
    uint64_t attempts_lost; /* since the start */
    uint64_t offers_dropped;
    bool disk_low;
    uint64_t disk_free_bytes;
};

/* By submit order, 0 .. batches - 1; false past the end. */
bool farm_batch_at(const struct farm *f, uint64_t index, struct batch_info *out);
bool farm_batch_exists(const struct farm *f, const char *batch);
bool farm_batch_brief(const struct farm *f, const char *batch, struct batch_brief *out);
bool farm_batch_info(const struct farm *f, const char *batch, struct batch_info *out);
/* An id, its unique prefix, or "last". ERROR_NOT_FOUND, or ERROR_USAGE when several match. */
bool farm_batch_find(const struct farm *f, const char *text, struct batch_info *out,
                     struct error *err);
/* Position in submit order of a batch, for paging; false: no such batch. */
bool farm_batch_index(const struct farm *f, const char *batch, uint64_t *index_out);
bool farm_group_info(const struct farm *f, const char *batch, uint32_t group,
                     struct group_info *out);
/* Fill at most `room`; return how many. */
uint32_t farm_batch_running(const struct farm *f, const char *batch, int64_t now_ns,
                            struct running_info *out, uint32_t room);
bool farm_clip_progress(const struct farm *f, const char *batch, uint32_t clip,
                        struct clip_progress *out);
uint32_t farm_batch_reasons(const struct farm *f, const char *batch, int64_t now_ns,
                            struct reason_info out[REASONS_MAX]);
/* S1: workers are here, and none of their slots has the memory that some task of the batch takes.
 */
bool farm_lacks_memory(const struct farm *f, const char *batch, uint64_t *needed_out,
                       uint64_t *largest_out);
/* State of one clip; CLIP_STATE_COUNT when there is none. */
enum clip_state farm_clip_state(const struct farm *f, const char *batch, uint32_t clip);
/* The first clip >= from whose public state name is `name` ("" = any); false: none. */
bool farm_clip_find(const struct farm *f, const char *batch, const char *name, uint32_t from,
                    uint32_t *clip_out);
/* A task that is open in memory: fills *out (texts borrowed); false otherwise. */
bool farm_task_record(const struct farm *f, const struct task_key *task, struct task_record *out);

/* Whether batches of this owner are here, or were since the start. */
bool farm_has_owner(const struct farm *f, const char *owner);
/* By first appearance, 0 ..; false past the end. */
bool farm_worker_at(const struct farm *f, uint32_t index, int64_t now_ns, struct worker_info *out);
bool farm_worker_info(const struct farm *f, const char *worker, int64_t now_ns,
                      struct worker_info *out);
/* The worker that a current session belongs to; NULL otherwise. Borrowed. */
const char *farm_session_worker(const struct farm *f, uint64_t session);
uint32_t farm_worker_running(const struct farm *f, const char *worker, int64_t now_ns,
                             struct running_info *out, uint32_t room);
void farm_totals(const struct farm *f, struct farm_totals *out);
uint32_t farm_heartbeat_ms(const struct farm *f); /* L2 */
bool farm_is_idle(const struct farm *f);          /* no unfinished batch (F1) */

/* ---- tests ---- */

/* Recomputes I3 to I7 and I9 from scratch; false and the first broken one. Slow. */
bool farm_check(struct farm *f, int64_t now_ns, struct error *err);

#endif

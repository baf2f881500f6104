/* store: what the coordinator keeps, in one database file. No caller sees what kind of database.
 *
 * Writes go into the present transaction, which begins by itself; store_commit ends it, once a loop
 * turn. A write returns nothing: the first failure sticks, store_commit then rolls everything back
 * and tells it, and the caller throws its memory away and loads again (lifecycle D2). Reads see the
 * open transaction. A callback of store_each_* may call other functions of the store, not the same
 * one again. Texts handed to callbacks are borrowed for the call; records written are copied.
 *
 * Loop thread only. Text in records is trusted to be UTF-8. */
#ifndef ZOE_COORDINATOR_STORE_H
#define ZOE_COORDINATOR_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/error.h"
#include "coordinator/record.h"
#include "proto/limits.h"

struct store;

/* ---- life ---- */

enum store_state {
    STORE_OK,
    STORE_FULL,   /* no space: serve reads, store_retry every 5 s */
    STORE_IO,     /* the disk said no: the same */
    STORE_CORRUPT /* end the process, tell what to do */
};
const char *store_state_name(enum store_state state); /* "ok", "full", "io", "corrupt" */

/* For tests: asked before each write and each commit; anything but STORE_OK makes it fail so. */
struct store_hooks {
    void *context;
    enum store_state (*before_write)(void *context);
    enum store_state (*before_commit)(void *context);
};

/* Opens or makes the file (mode 0600) and migrates it; a copy of how it was before stays beside it
 * for a week as PATH.vN, N its schema. After an unclean stop a file under 256 MiB
 * is checked first; a larger one is left to store_check_some. ERROR_VERSION: written by a newer
 * build. ERROR_CORRUPT: damaged, or not ours. ERROR_STATE: another process has it open. `hooks` may
 * be NULL and is copied. */
struct store *store_open(const char *path, const struct store_hooks *hooks, struct error *err);
/* Those copies, finished or not, of a file that is not kept. */
void store_older_drop(const char *path);
/* Only to look at it: nothing is written, migrated or marked, and a coordinator may have it open.
 * ERROR_VERSION when its schema is not the one this build reads. */
struct store *store_open_reading(const char *path, struct error *err);
/* Rolls back what is not committed and marks the file clean, unless it was seen to be damaged. NULL
 * is fine. */
void store_close(struct store *s);
/* The same for a file that will be moved or copied by itself: false when it does not hold all that
 * was committed without its log, or is not marked clean. Closed in any case. */
bool store_close_whole(struct store *s, struct error *err);

bool store_was_clean(const struct store *s); /* the stop before this start */
/* Something is waiting for store_commit. */
bool store_is_dirty(const struct store *s);
/* True when there was nothing to do. After false nothing of the turn is stored. Fault points
 * store.before_commit and store.after_commit stand around it. */
bool store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s);
/* The outcome of the last commit or check. STORE_CORRUPT, which a read finds too, stays: nothing is
 * stored of the turn in which it shows, and the file is not marked clean. */
enum store_state store_health(const struct store *s);
/* While not STORE_OK: tries a small write; true when all is well again. */
bool store_retry(struct store *s, struct error *err);

/* One table's check when idle, for files that are checked late. False with ERROR_CORRUPT; *done_out
 * when all were checked. */
bool store_check_some(struct store *s, bool *done_out, struct error *err);

/* A whole copy, made page by page between turns while the store goes on being written; what is
 * written meanwhile is in it. `path` must not exist. It is neither synced nor given its last name
 * here. NULL with err. End it before the store is closed. */
struct store_backup;
struct store_backup *store_backup_begin(struct store *s, const char *path, struct error *err);
/* Copies for about `budget_ns`; never in the middle of a turn (ERROR_STATE). */
bool store_backup_step(struct store_backup *b, int64_t budget_ns, bool *done_out,
                       struct error *err);
/* Removes the file unless it is complete. NULL is fine. */
void store_backup_end(struct store_backup *b);
/* A database file of ours, of any schema, with what its log holds, into a new file: synced. Any
 * thread. */
bool store_copy(const char *from, const char *to, struct error *err);
uint64_t store_size_bytes(const struct store *s); /* file and log */

/* ---- settings ---- */

void store_meta_set(struct store *s, const char *key, const char *value);
/* Caller frees; NULL when absent or on failure. */
char *store_meta(struct store *s, const char *key);

/* ---- allowed keys ---- */

struct store_key {
    uint8_t key[32];
    const char *role; /* "worker", "submit", "operate", "admin" */
    const char *name; /* the User-Id and owner */
    int64_t allowed_ms;
    const char *token; /* that it joined with, in hex; NULL or "" = none */
    bool ephemeral;    /* forgotten when its worker has left */
};
/* Inserts or replaces by key. */
void store_key_allow(struct store *s, const struct store_key *key);
void store_key_revoke(struct store *s, const uint8_t key[32]);
bool store_each_key(struct store *s, void (*each)(void *context, const struct store_key *key),
                    void *context, struct error *err);

/* ---- batches ---- */

struct store_batch {
    struct batch_spec spec;
    const char *folder; /* in renders/ */
    const char *key;    /* idempotency */
    bool default_key;
    struct digest content;
    const char *options; /* as sent */
};

/* The row that makes a submission a batch; `record` its first state. */
void store_batch_add(struct store *s, const struct store_batch *batch,
                     const struct batch_record *record);
void store_batch_save(struct store *s, const char *batch, const struct batch_record *record,
                      uint32_t groups);
void store_batch_priority(struct store *s, const char *batch, int32_t priority);
void store_page_save(struct store *s, const char *batch, uint32_t index, const uint8_t *states,
                     size_t size);
/* The batch is gone at once, and nobody is told of its outputs any more. Its folder's name stays
 * until store_removal_done says that its files are gone; then its rows go, some with each commit,
 * outputs first: what nobody uses any more is in store_each_unused. Events stay. */
void store_batch_remove(struct store *s, const char *batch);
void store_removal_done(struct store *s, const char *batch);
/* Those whose files may still be there. */
bool store_each_removal(struct store *s,
                        void (*each)(void *context, const char *batch, const char *folder),
                        void *context, struct error *err);
/* Makes the next commit take some of these rows away; false when there are none. */
bool store_clean_some(struct store *s);

/* How long a batch stays after its end, when it is not as the coordinator was told; 0 = for ever.
 */
void store_keep_save(struct store *s, const char *batch, int64_t keep_s);
bool store_each_keep(struct store *s,
                     void (*each)(void *context, const char *batch, int64_t keep_s), void *context,
                     struct error *err);

/* In submit order. */
bool store_each_batch(struct store *s,
                      void (*each)(void *context, const struct store_batch *batch,
                                   const struct batch_record *record),
                      void *context, struct error *err);
/* Whether there is such a batch now. */
bool store_has_batch(struct store *s, const char *batch, bool *out, struct error *err);
/* Whether this folder in renders/ is that batch's, or waits to be removed with what it was. */
bool store_has_folder(struct store *s, const char *batch, const char *folder, bool *out,
                      struct error *err);
bool store_each_page(struct store *s, const char *batch,
                     void (*each)(void *context, uint32_t index, const uint8_t *states,
                                  size_t size),
                     void *context, struct error *err);
/* The newest batch of owner and key; with `live_only` none that failed or was canceled. The texts
 * live until the next call of this function. False when there is none (err->code ERROR_NOT_FOUND)
 * or on failure. */
struct store_known {
    char batch[ID_BATCH_SIZE];
    const char *folder;
    struct digest content;
    uint64_t prompts;
    uint64_t clips;
};
bool store_batch_by_key(struct store *s, const char *owner, const char *key, bool live_only,
                        struct store_known *out, struct error *err);
/* 0 when there never was one. */
uint64_t store_last_sequence(struct store *s);

/* ---- tasks and attempts ---- */

void store_task_save(struct store *s, const struct task_record *task);
void store_attempt_save(struct store *s, const struct attempt_record *attempt, int64_t begun_ms);
void store_attempt_end(struct store *s, const struct attempt_end_record *end, int64_t ended_ms);

/* Whom an attempt was given to: the worker's name, or "" when there is no such row. */
bool store_attempt_worker(struct store *s, const struct attempt_key *key,
                          char out[LIMIT_NAME_BYTES + 1], struct error *err);

/* The rows with `open`. */
bool store_each_open_task(struct store *s,
                          void (*each)(void *context, const struct task_record *task),
                          void *context, struct error *err);
/* Any row; false when there is none (ERROR_NOT_FOUND). The texts live until the next call. */
bool store_task(struct store *s, const struct task_key *key, struct task_record *out,
                struct error *err);
/* Attempts without an end. */
bool store_each_live_attempt(struct store *s,
                             void (*each)(void *context, const struct attempt_record *attempt),
                             void *context, struct error *err);

struct store_attempt { /* an attempt's history; oldest first */
    uint32_t task;
    uint64_t fence, worker_fence;
    const char *worker;
    enum attempt_end end;
    const char *message;
    const char *log_tail;
    uint32_t steps_computed, steps_wasted, resumed_step;
    uint64_t render_ms;
    int64_t begun_ms, ended_ms; /* wall; 0 while it lives */
};
bool store_each_attempt(struct store *s, const struct task_key *key,
                        void (*each)(void *context, const struct store_attempt *attempt),
                        void *context, struct error *err);
/* Those of all its tasks, task after task. */
bool store_each_clip_attempt(struct store *s, const char *batch, uint32_t clip,
                             void (*each)(void *context, const struct store_attempt *attempt),
                             void *context, struct error *err);

/* ---- outputs and artifacts ---- */

/* One use of the digest more; a row of the same task and index is replaced. */
void store_output_save(struct store *s, const struct output_record *output);
void store_outputs_drop(struct store *s, const struct task_key *key);
void store_checkpoint_drop(struct store *s, const struct task_key *key);

struct store_retirement {                        /* of a published clip of several tasks (A4) */
    uint32_t first_segment;                      /* task from which on segments are kept */
    uint32_t latents;                            /* task whose latents are kept */
    int64_t segments_until_ms, latents_until_ms; /* wall; 0 = as long as the batch stands */
};
/* Its other outputs go now; store_outputs_expire drops these when their time is over, some at a
 * time: true when there were some, and there may be more. */
void store_clip_retire(struct store *s, const char *batch, uint32_t clip,
                       const struct store_retirement *kept);
bool store_outputs_expire(struct store *s, int64_t now_ms);

bool store_each_output(struct store *s, const struct task_key *key,
                       void (*each)(void *context, const struct output_record *output),
                       void *context, struct error *err);
/* Those of all tasks of a clip, task after task. */
bool store_each_clip_output(struct store *s, const char *batch, uint32_t clip,
                            void (*each)(void *context, const struct output_record *output),
                            void *context, struct error *err);
/* Whose output it is; each use of it. */
bool store_each_use(struct store *s, const struct digest *digest,
                    void (*each)(void *context, const struct output_record *output), void *context,
                    struct error *err);

/* Uses of a digest; 0 = unknown. False on failure. */
bool store_artifact_uses(struct store *s, const struct digest *digest, uint64_t *uses_out,
                         struct error *err);
bool store_each_artifact(struct store *s,
                         void (*each)(void *context, const struct digest *digest,
                                      uint64_t size_bytes, uint64_t uses),
                         void *context, struct error *err);
/* Digests without a use whose file may still be there (artifacts.c unlinks, then forgets them): at
 * most `limit` of those after `after`, in order. */
bool store_each_unused(struct store *s, const struct digest *after, uint32_t limit,
                       void (*each)(void *context, const struct digest *digest), void *context,
                       struct error *err);
void store_artifact_forget(struct store *s, const struct digest *digest);

/* ---- inputs ---- */

enum input_kind { INPUT_MEDIA, INPUT_LATENTS }; /* the database holds these numbers */

struct input_record { /* a file that recipes start from, checked */
    struct digest sha256;
    uint64_t size_bytes;
    enum input_kind kind;
    uint64_t frames;        /* 1: an image; 0: sound only */
    uint32_t width, height; /* of latents: their own */
    uint64_t audio_ms;      /* of its sound; 0: none */
    char format[32];        /* for people: "MP4" */
    int64_t seen_ms;        /* wall; when a client last had it ready */
};
/* One use of the artifact, as long as the row stands. */
void store_input_add(struct store *s, const struct input_record *input);
void store_input_seen(struct store *s, const struct digest *sha256, int64_t seen_ms);
/* False when there is none (ERROR_NOT_FOUND). */
bool store_input(struct store *s, const struct digest *sha256, struct input_record *out,
                 struct error *err);
/* Whether any batch names it. */
bool store_input_is_named(struct store *s, const struct digest *sha256);
bool store_each_batch_of_input(struct store *s, const struct digest *sha256,
                               void (*each)(void *context, const char *batch), void *context,
                               struct error *err);
/* The batch names it. The row of an input goes with the last batch that named it. */
void store_batch_input_add(struct store *s, const char *batch, const struct digest *sha256);
/* Bytes of those that batches of `owner` name, each counted once. */
bool store_owner_input_bytes(struct store *s, const char *owner, uint64_t *out, struct error *err);
/* Those that no batch names. */
bool store_each_unnamed_input(struct store *s,
                              void (*each)(void *context, const struct digest *sha256,
                                           uint64_t size_bytes),
                              void *context, struct error *err);
/* Drops those that no batch names and nobody had ready since; true when there were some. */
bool store_inputs_prune(struct store *s, int64_t before_ms);

/* ---- clips ---- */

void store_clip_save(struct store *s, const struct clip_record *clip);
/* False when there is none (ERROR_NOT_FOUND). The texts live until the next call. */
bool store_clip(struct store *s, const char *batch, uint32_t clip, struct clip_record *out,
                struct error *err);
/* Published clips of which this worker made a part, the newest first; only the last
 * STORE_MADE_LOOKS attempts are looked at. */
#define STORE_MADE_LOOKS 200000
bool store_each_clip_made_by(struct store *s, const char *worker,
                             void (*each)(void *context, const char *batch, uint32_t clip),
                             void *context, struct error *err);
/* The clips of a batch from `from` on, in order; all of them, or (`publishing`) those in that
 * state; `each` returns false to stop. */
bool store_each_clip(struct store *s, const char *batch, uint32_t from, bool publishing,
                     bool (*each)(void *context, const struct clip_record *clip), void *context,
                     struct error *err);

/* A report (record.h): a small result that is a row. One a clip. */
void store_report_save(struct store *s, const struct task_key *key, const void *data, size_t size);
/* Replaces `out`. False when there is none (ERROR_NOT_FOUND) or on failure. */
bool store_report(struct store *s, const char *batch, uint32_t clip, struct buf *out,
                  struct error *err);

/* ---- workers ---- */

void store_worker_save(struct store *s, const struct worker_record *worker);
bool store_each_worker(struct store *s,
                       void (*each)(void *context, const struct worker_record *worker),
                       void *context, struct error *err);

/* ---- events ---- */

/* Its sequence number, 0 when the turn has failed already. */
uint64_t store_event_add(struct store *s, const struct event_record *event);
/* After `after`, of one batch or of all ("" or NULL), at most `limit`, oldest first. */
bool store_each_event(struct store *s, uint64_t after, const char *batch, uint32_t limit,
                      void (*each)(void *context, uint64_t sequence,
                                   const struct event_record *event),
                      void *context, struct error *err);
/* Those of all batches of an owner. */
bool store_each_event_of(struct store *s, uint64_t after, const char *owner, uint32_t limit,
                         void (*each)(void *context, uint64_t sequence,
                                      const struct event_record *event),
                         void *context, struct error *err);
/* That is committed: the number of one that is not may be given again. 0 = none. */
uint64_t store_last_event(const struct store *s);
/* Of a store that takes the place of another, before its first event: numbers go on above `last`.
 */
void store_events_after(struct store *s, uint64_t last);
/* Drops at most `limit` events older than `before_ms`; true when there may be more. */
#define STORE_EVENTS_KEEP_MS (INT64_C(30) * 24 * 3600 * 1000)
bool store_events_prune(struct store *s, int64_t before_ms, uint32_t limit);
/* Drops those beyond the newest `keep`, at most `limit`; true when there may be more. */
bool store_events_cap(struct store *s, uint64_t keep, uint32_t limit);

#endif

/* checkpoint_box: what the engines saved of running attempts, on its way to the coordinator (T6): a
 * Checkpoint message, bytes under Credit as output CHECKPOINT_OUTPUT, until CheckpointSeen. One at
 * a time an attempt: while it is on its way the newest waits, which keeps a slow coordinator from
 * being asked for more than it takes. Unlike results they are expendable: nothing is synced, and
 * what is left over is thrown away at the next start.
 *
 * Results go first, unless an attempt leaves: it stays until its last checkpoint was answered, or
 * CHECKPOINT_LEAVE_NS have passed. Loop thread only. */
#ifndef ZOE_WORKER_CHECKPOINT_BOX_H
#define ZOE_WORKER_CHECKPOINT_BOX_H

#include <uv.h>

#include "worker/bulk.h"
#include "worker/link.h"
#include "worker/slot_work.h"

struct checkpoint_box;

struct checkpoint_box_options { /* links are borrowed for life */
    const char *state_folder;
    struct link *link;
    struct bulk *bulk;
    void *context;
    bool (*results_flow)(void *context); /* then bytes wait */
    /* An attempt that checkpoint_box_leave kept: its checkpoint was answered, or never will be. */
    void (*left)(void *context, const struct attempt_name *name);
};

/* Makes STATE/checkpoints and empties it. */
struct checkpoint_box *checkpoint_box_create(uv_loop_t *loop,
                                             const struct checkpoint_box_options *options,
                                             struct error *err);
void checkpoint_box_close(struct checkpoint_box *b);

/* Where an engine saves an attempt next. Caller frees. */
char *checkpoint_box_path(const struct checkpoint_box *b, const struct attempt_name *name);
/* It did: the file is taken from that place. */
void checkpoint_box_put(struct checkpoint_box *b, const struct slot_work *work,
                        const char *fingerprint, const struct slot_saved *saved);
/* The attempt is over: nobody needs its checkpoints. */
void checkpoint_box_drop(struct checkpoint_box *b, const struct attempt_name *name);

/* The attempt had to stop. True: its last checkpoint is on its way, `left` follows later than
 * within this call. False: there is none that the coordinator does not have, or nobody to take it.
 */
bool checkpoint_box_leave(struct checkpoint_box *b, const struct attempt_name *name);
void checkpoint_box_hurry(struct checkpoint_box *b); /* whoever leaves does so now */
/* Attempts that are leaving, one after the other from *at on (0 at first). */
bool checkpoint_box_next(const struct checkpoint_box *b, size_t *at, struct attempt_name *name,
                         struct slot_saved *saved);

void checkpoint_box_credit(struct checkpoint_box *b, const Farm__Credit *credit);
void checkpoint_box_seen(struct checkpoint_box *b, const Farm__CheckpointSeen *seen);
void checkpoint_box_joined(struct checkpoint_box *b); /* a new session */
void checkpoint_box_bulk_ready(struct checkpoint_box *b);
void checkpoint_box_bulk_lost(struct checkpoint_box *b);
bool checkpoint_box_is_busy(const struct checkpoint_box *b); /* bytes flow */

#endif

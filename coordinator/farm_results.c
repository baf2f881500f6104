/* The door of farm.h for results, checkpoints and publishing. */
#include <string.h>

#include "coordinator/checkpoints.h"
#include "coordinator/clip.h"
#include "coordinator/finish.h"
#include "coordinator/offer.h"
#include "coordinator/presence.h"

/* ---- results ---- */

bool farm_offer_wants_row(const struct farm *f, const struct task_key *task)
{
    const struct batch *b = batch_find(f, task->batch);
    if (b == NULL || task->clip >= b->clips) return false;
    return task_find(b, task->clip, task->task) == NULL &&
           clip_state(b, task->clip) != CLIP_WAITING;
}

bool farm_offer_is_foreign(const struct farm *f, uint64_t session, const struct attempt_key *key)
{
    const struct worker *w = worker_of_session(f, session);
    return w == NULL || attempt_find(f, w, key) == NULL;
}

void farm_offer(struct farm *f, uint64_t session, const struct farm_offer *offer, int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) offer_take(f, w, offer, now_ns);
}

/* The live attempt that a message of a current session is about, or NULL. */
static struct attempt *attempt_of(struct farm *f, uint64_t session, const struct attempt_key *key,
                                  int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    return w != NULL ? attempt_find(f, w, key) : NULL;
}

bool farm_received(struct farm *f, uint64_t session, const struct attempt_key *key, uint32_t output,
                   uint64_t offset, int64_t now_ns)
{
    struct attempt *a = attempt_of(f, session, key, now_ns);
    if (a == NULL) return false;
    if (output == CHECKPOINT_OUTPUT) return checkpoint_received(f, a, offset, now_ns);
    return offer_received(f, a, output, offset, now_ns);
}

bool farm_upload_window(const struct farm *f, uint64_t session, const struct attempt_key *key,
                        uint32_t output, uint64_t *offset_out, uint64_t *end_out)
{
    const struct worker *w = worker_of_session(f, session);
    const struct attempt *a = w != NULL ? attempt_find(f, w, key) : NULL;
    bool is_checkpoint = output == CHECKPOINT_OUTPUT;
    uint32_t index = is_checkpoint ? 0 : output;
    const struct upload *u = NULL;
    if (a != NULL) u = is_checkpoint ? a->checkpoint : a->upload;
    if (u == NULL || u->complete || u->paused || index != u->current) return false;
    *offset_out = u->received[index];
    *end_out = u->granted;
    return true;
}

static struct attempt *attempt_by_name(const struct farm *f, const char *worker,
                                       const struct attempt_key *key)
{
    const struct worker *w = worker_find(f, worker);
    return w != NULL ? attempt_find(f, w, key) : NULL;
}

bool farm_is_wanted(const struct farm *f, const char *worker, const struct attempt_key *key)
{
    const struct attempt *a = attempt_by_name(f, worker, key);
    return a != NULL && a->upload == NULL && !a->recalled;
}

bool farm_has_upload(const struct farm *f, const char *worker, const struct attempt_key *key)
{
    const struct attempt *a = attempt_by_name(f, worker, key);
    return a != NULL && a->upload != NULL;
}

bool farm_offer_differs(const struct farm *f, const char *worker, const struct farm_offer *offer)
{
    const struct attempt *a = attempt_by_name(f, worker, &offer->attempt);
    return a != NULL && offer_differs(a, offer);
}

void farm_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                   bool digests_right, int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    if (a != NULL) offer_uploaded(f, a, digests_right, now_ns);
}

void farm_upload_lost(struct farm *f, const char *worker, const struct attempt_key *key,
                      int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    if (a != NULL) offer_lost(f, a, now_ns);
}

void farm_verdict(struct farm *f, const char *worker, const struct attempt_key *key,
                  const struct farm_verdict *verdict, int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    if (a != NULL) offer_verdict(f, a, verdict, now_ns);
}

/* ---- checkpoints ---- */

void farm_checkpoint(struct farm *f, uint64_t session, const struct farm_checkpoint *checkpoint,
                     int64_t now_ns)
{
    struct worker *w = worker_heard(f, session, now_ns);
    if (w != NULL) checkpoint_take(f, w, checkpoint, now_ns);
}

bool farm_has_checkpoint(const struct farm *f, const char *worker, const struct attempt_key *key)
{
    const struct attempt *a = attempt_by_name(f, worker, key);
    return a != NULL && a->checkpoint != NULL;
}

void farm_checkpoint_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                              bool digest_right, int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    (void)now_ns;
    if (a != NULL) checkpoint_uploaded(f, a, digest_right);
}

void farm_checkpoint_verdict(struct farm *f, const char *worker, const struct attempt_key *key,
                             enum verdict_kind kind, const char *message, int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    (void)message, (void)now_ns;
    if (a != NULL) checkpoint_verdict(f, a, kind);
}

/* ---- missing files (A3) ---- */

static struct task *task_of(const struct farm *f, const struct task_key *key)
{
    const struct batch *b = batch_find(f, key->batch);
    return b != NULL ? task_find(b, key->clip, key->task) : NULL;
}

void farm_output_missing(struct farm *f, const struct task_key *task, bool checkpoint,
                         int64_t now_ns)
{
    struct task *t = task_of(f, task);
    if (t == NULL) return;
    if (checkpoint)
        checkpoint_missing(f, t);
    else
        work_reopen(f, t, "a stored output is missing or damaged", now_ns);
}

/* ---- publishing ---- */

static struct work *done_clip(struct farm *f, const char *batch, uint32_t clip)
{
    const struct batch *b = batch_find(f, batch);
    struct work *w = b != NULL ? work_find(b, clip) : NULL;
    return w != NULL && work_is_done(w) ? w : NULL;
}

void farm_clip_stitched(struct farm *f, const char *batch, uint32_t clip,
                        const struct farm_video *video, int64_t now_ns)
{
    (void)now_ns;
    struct work *w = done_clip(f, batch, clip);
    if (w != NULL) finish_stitched(f, w, video);
}

void farm_clip_renamed(struct farm *f, const char *batch, uint32_t clip,
                       const struct farm_video *video, int64_t now_ns)
{
    (void)now_ns;
    struct work *w = done_clip(f, batch, clip);
    if (w != NULL) finish_renamed(f, w, video);
}

/* The first of them ends the stitching; the others are as much at fault. */
static void reopen_all(struct farm *f, struct task_key key, const uint32_t *tasks, uint32_t count,
                       int64_t now_ns)
{
    static const uint32_t first = 0;
    if (count == 0) {
        tasks = &first;
        count = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        key.task = tasks[i];
        struct task *t = task_of(f, &key);
        if (t != NULL) work_reopen(f, t, "a stored segment was damaged", now_ns);
    }
}

void farm_stitch_failed(struct farm *f, const char *batch, uint32_t clip,
                        enum stitch_failure failure, const uint32_t *tasks, uint32_t task_count,
                        const char *message, int64_t now_ns)
{
    struct work *w = done_clip(f, batch, clip);
    struct task_key key = {.clip = clip};
    if (w == NULL) return;
    memcpy(key.batch, w->batch->id, sizeof(key.batch));
    if (failure == STITCH_MISSING) {
        reopen_all(f, key, tasks, task_count, now_ns);
        failure = STITCH_FULL; /* should none of them be one of its tasks: tried again */
    }
    if ((w = done_clip(f, batch, clip)) != NULL) finish_failed(f, w, failure, message, now_ns);
}

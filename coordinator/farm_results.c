/* The door of farm.h for results, checkpoints and publishing. */
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
    return a != NULL && offer_received(f, a, output, offset, now_ns);
}

bool farm_upload_window(const struct farm *f, uint64_t session, const struct attempt_key *key,
                        uint32_t output, uint64_t *offset_out, uint64_t *end_out)
{
    const struct worker *w = worker_of_session(f, session);
    const struct attempt *a = w != NULL ? attempt_find(f, w, key) : NULL;
    const struct upload *u = a != NULL ? a->upload : NULL;
    if (u == NULL || u->complete || u->paused || output != u->current) return false;
    *offset_out = u->received[output];
    *end_out = u->granted;
    return true;
}

static struct attempt *attempt_by_name(const struct farm *f, const char *worker,
                                       const struct attempt_key *key)
{
    const struct worker *w = worker_find(f, worker);
    return w != NULL ? attempt_find(f, w, key) : NULL;
}

bool farm_has_upload(const struct farm *f, const char *worker, const struct attempt_key *key)
{
    const struct attempt *a = attempt_by_name(f, worker, key);
    return a != NULL && a->upload != NULL;
}

void farm_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                   bool digests_right, int64_t now_ns)
{
    struct attempt *a = attempt_by_name(f, worker, key);
    if (a != NULL) offer_uploaded(f, a, digests_right, now_ns);
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
    if (w != NULL) checkpoint_take(f, w, checkpoint);
}

void farm_checkpoint_uploaded(struct farm *f, const char *worker, const struct attempt_key *key,
                              bool digest_right, int64_t now_ns)
{
    (void)f, (void)worker, (void)key, (void)digest_right, (void)now_ns; /* none is let in */
}

void farm_checkpoint_verdict(struct farm *f, const char *worker, const struct attempt_key *key,
                             enum verdict_kind kind, const char *message, int64_t now_ns)
{
    (void)f, (void)worker, (void)key, (void)kind, (void)message, (void)now_ns;
}

void farm_output_missing(struct farm *f, const struct task_key *task, bool checkpoint,
                         int64_t now_ns)
{
    if (!checkpoint)
        farm_stitch_failed(f, task->batch, task->clip, STITCH_MISSING, &task->task, 1, "", now_ns);
}

/* ---- publishing ---- */

static struct task *done_task(struct farm *f, const char *batch, uint32_t clip)
{
    const struct batch *b = batch_find(f, batch);
    return b != NULL ? task_find(b, clip, 0) : NULL;
}

void farm_clip_stitched(struct farm *f, const char *batch, uint32_t clip,
                        const struct farm_video *video, int64_t now_ns)
{
    (void)now_ns;
    struct task *t = done_task(f, batch, clip);
    if (t != NULL) finish_stitched(f, t, video);
}

void farm_clip_renamed(struct farm *f, const char *batch, uint32_t clip,
                       const struct farm_video *video, int64_t now_ns)
{
    (void)now_ns;
    struct task *t = done_task(f, batch, clip);
    if (t != NULL) finish_renamed(f, t, video);
}

void farm_stitch_failed(struct farm *f, const char *batch, uint32_t clip,
                        enum stitch_failure failure, const uint32_t *tasks, uint32_t task_count,
                        const char *message, int64_t now_ns)
{
    (void)tasks;
    (void)task_count;
    struct task *t = done_task(f, batch, clip);
    if (t != NULL) finish_failed(f, t, failure, message, now_ns);
}

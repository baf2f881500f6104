#include "coordinator/checkpoints.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "coordinator/credit.h"
#include "coordinator/opinion.h"

/* ---- answers ---- */

static void seen(struct farm *f, const struct worker *w, const struct attempt_key *key,
                 uint32_t step, bool kept)
{
    struct effect_message *m = worker_answer(f, w, EFFECT_CHECKPOINT_SEEN, key);
    if (m == NULL) return;
    m->step = step;
    m->kept = kept;
}

static void say_seen(struct farm *f, const struct attempt *a, uint32_t step, bool kept)
{
    struct attempt_key key = attempt_key(a);
    seen(f, a->worker, &key, step, kept);
}

static struct effect_job *job_of(struct farm *f, const struct attempt *a, enum effect_kind kind)
{
    struct effect_job *job = &effects_add(&f->effects, kind)->job;
    job->task = task_key(a->task);
    job->worker = a->worker->name;
    job->worker_fence = a->worker_fence;
    return job;
}

/* ---- on its way ---- */

static void release(struct farm *f, struct attempt *a)
{
    struct upload *u = a->checkpoint;
    credit_withdraw(f, u);
    chain_remove(&u->in_transfers);
    deadline_clear(&f->timers, &u->idle);
    free(u->fingerprint);
    free(u);
    a->checkpoint = NULL;
}

void checkpoint_forget(struct farm *f, struct attempt *a)
{
    if (a->checkpoint == NULL) return;
    release(f, a);
    (void)job_of(f, a, EFFECT_DISCARD_CHECKPOINT);
}

static void give_up(struct farm *f, struct attempt *a)
{
    uint32_t step = a->checkpoint->step;
    checkpoint_forget(f, a);
    say_seen(f, a, step, false);
}

void checkpoint_pause(struct farm *f, struct attempt *a)
{
    if (a->checkpoint != NULL && !a->checkpoint->complete) checkpoint_forget(f, a);
}

static void not_used(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    give_up(f, subject);
}

static struct upload *begin_upload(struct farm *f, struct attempt *a,
                                   const struct farm_checkpoint *c)
{
    if (a->checkpoint != NULL) release(f, a); /* the shell knows: it hands the newer one over */
    struct upload *u = xcalloc(1, sizeof(*u));
    u->attempt = a;
    u->is_checkpoint = true;
    u->leaving = c->leaving;
    u->step = c->step;
    u->outputs[0] = c->output;
    u->outputs[0].frames = c->step;
    u->output_count = 1;
    u->received[0] = c->received < c->output.size_bytes ? c->received : c->output.size_bytes;
    u->granted = u->received[0];
    u->fingerprint = xstrdup(c->fingerprint != NULL ? c->fingerprint : "");
    chain_init(&u->in_transfers);
    deadline_init(&u->idle, a, not_used);
    a->checkpoint = u;
    return u;
}

static bool is_better(const struct attempt *a, const struct farm_checkpoint *c)
{
    if (c->step <= a->task->checkpoint.step || c->step > a->task->steps) return false;
    return a->checkpoint == NULL || c->step >= a->checkpoint->step;
}

static bool is_wanted(const struct farm *f, const struct attempt *a,
                      const struct farm_checkpoint *c)
{
    if (a->is_copy && attempt_has_rival(a)) return false;
    if (opinion_compares(a->task)) return false;
    bool has_form = c->matches && c->fingerprint != NULL && c->output.size_bytes > 0 &&
                    c->output.size_bytes <= (uint64_t)LIMIT_LATENTS_BYTES;
    if (!has_form || f->disk_low || a->upload != NULL || !is_better(a, c)) return false;
    return a->fingerprint == NULL || strcmp(a->fingerprint, c->fingerprint) == 0;
}

static bool is_kept(const struct attempt *a, uint32_t step)
{
    return a->task->checkpoint.step == step && a->task->checkpoint.fence == a->fence;
}

void checkpoint_take(struct farm *f, struct worker *w, const struct farm_checkpoint *checkpoint,
                     int64_t now_ns)
{
    struct attempt *a = attempt_find(f, w, &checkpoint->attempt);
    if (a == NULL || !is_wanted(f, a, checkpoint)) {
        bool kept = a != NULL && is_kept(a, checkpoint->step);
        seen(f, w, &checkpoint->attempt, checkpoint->step, kept);
        return;
    }
    const struct upload *old = a->checkpoint;
    if (old != NULL && old->complete && old->step == checkpoint->step) return; /* being checked */
    struct upload *u = begin_upload(f, a, checkpoint);
    if (u->received[0] == u->outputs[0].size_bytes)
        u->complete = true;
    else
        credit_join(f, u, now_ns);
}

bool checkpoint_received(struct farm *f, struct attempt *a, uint64_t offset, int64_t now_ns)
{
    struct upload *u = a->checkpoint;
    if (u == NULL || u->complete || offset <= u->received[0] || offset > u->granted) return false;
    credit_used(f, u, offset, now_ns);
    if (u->received[0] < u->outputs[0].size_bytes) return true;
    u->complete = true;
    chain_remove(&u->in_transfers);
    deadline_clear(&f->timers, &u->idle);
    return true;
}

void checkpoint_uploaded(struct farm *f, struct attempt *a, bool digest_right)
{
    struct upload *u = a->checkpoint;
    if (u == NULL || u->checking) return;
    if (!digest_right) { /* or the disk did not take it */
        give_up(f, a);
        return;
    }
    if (!u->complete) return;
    u->checking = true;
    struct effect_job *job = job_of(f, a, EFFECT_VERIFY_CHECKPOINT);
    job->output_count = 1;
    job->outputs[0] = u->outputs[0];
    job->shape = a->task->group->shape;
}

/* ---- kept ---- */

static void forget_kept(struct task *t)
{
    free(t->checkpoint.fingerprint);
    t->checkpoint.fingerprint = xstrdup("");
    t->checkpoint.step = 0;
    t->checkpoint.worker = NULL;
    t->checkpoint.fence = 0;
}

static void remove_kept(struct farm *f, struct task *t, bool is_waste)
{
    if (t->checkpoint.step == 0) return;
    effects_add(&f->effects, EFFECT_DROP_CHECKPOINT)->task_key = task_key(t);
    if (is_waste) {
        t->batch->steps_wasted += t->checkpoint.step;
        batch_dirty(f, t->batch);
    }
    forget_kept(t);
}

static bool has_made_it(const struct attempt *a)
{
    return a->task->checkpoint.step > 0 && a->task->checkpoint.fence == a->fence;
}

/* It made the one that is kept, or went on from it. */
static bool is_of_its_line(const struct attempt *a)
{
    return a->resumed_step > 0 || has_made_it(a);
}

static void keep(struct farm *f, struct attempt *a)
{
    struct task *t = a->task;
    const struct upload *u = a->checkpoint;
    remove_kept(f, t, !is_of_its_line(a));
    struct output_record *o = &effects_add(&f->effects, EFFECT_SAVE_OUTPUT)->output;
    o->task = task_key(t);
    o->index = CHECKPOINT_OUTPUT;
    o->output = u->outputs[0];
    o->fingerprint = effects_text(&f->effects, u->fingerprint);
    free(t->checkpoint.fingerprint);
    t->checkpoint.fingerprint = xstrdup(u->fingerprint);
    t->checkpoint.step = u->step;
    t->checkpoint.worker = a->worker;
    t->checkpoint.fence = a->fence;
    a->inherited = 0;
    if (a->step < u->step) a->step = u->step;
    task_save(f, t, true);
}

void checkpoint_verdict(struct farm *f, struct attempt *a, enum verdict_kind kind)
{
    const struct upload *u = a->checkpoint;
    if (u == NULL || !u->checking) return;
    if (kind != VERDICT_SOUND || u->step <= a->task->checkpoint.step) {
        give_up(f, a);
        return;
    }
    uint32_t step = u->step;
    keep(f, a);
    release(f, a);
    say_seen(f, a, step, true);
}

void checkpoint_begin(struct attempt *a)
{
    const struct task *t = a->task;
    if (t->checkpoint.step == 0 || strcmp(t->checkpoint.fingerprint, a->fingerprint) != 0) return;
    a->resumed_step = t->checkpoint.step;
    a->resumed_other = t->checkpoint.worker != a->worker;
    a->step = a->resumed_step;
}

bool checkpoint_resumes(const struct attempt *a)
{
    return a->resumed_step > 0 && a->task->checkpoint.step == a->resumed_step;
}

uint32_t checkpoint_kept_of(const struct attempt *a)
{
    const struct task *t = a->task;
    bool its_own = has_made_it(a) && t->checkpoint.step > a->resumed_step;
    return its_own ? t->checkpoint.step - a->resumed_step : 0;
}

bool checkpoint_takes_blame(struct farm *f, const struct attempt *a, enum attempt_end end)
{
    bool failed = end == END_FAILED || end == END_HUNG || end == END_REJECTED;
    if (!failed || !a->resumed_other) return false;
    remove_kept(f, a->task, true);
    return true;
}

void checkpoint_done(struct farm *f, const struct attempt *a)
{
    remove_kept(f, a->task, !is_of_its_line(a));
}

void checkpoint_drop(struct farm *f, struct task *t)
{
    remove_kept(f, t, true);
}

/* What was read from it, or written to it, goes on in this attempt. */
static bool is_used_by(const struct attempt *a)
{
    return is_of_its_line(a) && a->step > a->resumed_step;
}

void checkpoint_missing(struct farm *f, struct task *t)
{
    bool in_use = false;
    if (t->checkpoint.step == 0) return;
    CHAIN_EACH(link, &t->live)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_task);
        if (in_use || !is_used_by(a)) continue;
        in_use = true;
        a->inherited = a->resumed_step;
    }
    remove_kept(f, t, !in_use);
    task_save(f, t, true);
}

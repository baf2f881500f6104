#include "coordinator/offer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mutation.h"
#include "base/xalloc.h"
#include "coordinator/checkpoints.h"
#include "coordinator/clip.h"
#include "coordinator/condemn.h"
#include "coordinator/credit.h"
#include "coordinator/lease.h"
#include "coordinator/pin.h"
#include "coordinator/returns.h"
#include "coordinator/standing.h"

#define RECHECK_NS (5 * NS_PER_S)
#define TRIES 2    /* wrong digests, deaths of a media child (M1), a disk that does not read */
#define FAILURES 3 /* of a media child that says so: rarer, and less surely the file's fault */
/* Ends without a result after which old results are not waited for any more: who offers and never
 * sends would keep a task for ever. */
#define ADOPTIONS_END 10

/* ---- answers ---- */

static void drop(struct farm *f, const struct worker *w, const struct attempt_key *key,
                 enum drop_reason reason, const char *text)
{
    struct effect_message *m = worker_answer(f, w, EFFECT_DROPPED, key);
    f->offers_dropped++;
    if (m == NULL) return;
    m->drop = reason;
    m->text = effects_text(&f->effects, text);
}

/* The worker may delete it; the attempt counts as rejected. */
static void reject(struct farm *f, struct attempt *a, enum drop_reason reason, const char *text,
                   int64_t now_ns)
{
    struct attempt_key key = attempt_key(a);
    drop(f, a->worker, &key, reason, text);
    attempt_end(f, a, END_REJECTED, &(struct attempt_detail){.message = text}, now_ns);
}

/* ---- upload ---- */

static bool is_complete(const struct upload *u)
{
    for (uint32_t i = 0; i < u->output_count; i++) {
        if (u->received[i] < u->outputs[i].size_bytes) return false;
    }
    return true;
}

/* Nothing at all cannot be sent again. */
static bool has_bytes(const struct upload *u)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < u->output_count; i++)
        bytes |= u->outputs[i].size_bytes;
    return bytes > 0;
}

static void start_over(struct upload *u)
{
    u->current = 0;
    while (u->current + 1 < u->output_count &&
           u->received[u->current] >= u->outputs[u->current].size_bytes)
        u->current++;
    u->granted = u->received[u->current];
}

static void join_transfers(struct farm *f, struct upload *u, int64_t now_ns)
{
    u->paused = false;
    credit_join(f, u, now_ns);
}

static void complete(struct farm *f, struct attempt *a)
{
    struct upload *u = a->upload;
    credit_withdraw(f, u);
    u->complete = true;
    u->awaited = false;
    chain_remove(&u->in_transfers);
    lease_stand(f, a);
}

static struct upload *upload_of(struct attempt *a)
{
    if (a->upload != NULL) return a->upload;
    struct upload *u = xcalloc(1, sizeof(*u));
    u->attempt = a;
    u->fingerprint = xstrdup("");
    chain_init(&u->in_transfers);
    a->upload = u;
    return u;
}

static const char *fingerprint_of(const struct farm_offer *offer)
{
    return offer->fingerprint != NULL ? offer->fingerprint : "";
}

static void fill(struct upload *u, const struct farm_offer *offer)
{
    u->output_count = offer->output_count;
    for (uint32_t i = 0; i < offer->output_count; i++) {
        uint64_t size = offer->outputs[i].size_bytes;
        u->outputs[i] = offer->outputs[i];
        u->received[i] = offer->received[i] < size ? offer->received[i] : size;
    }
    free(u->fingerprint);
    u->fingerprint = xstrdup(fingerprint_of(offer));
    u->steps_computed = offer->steps_computed;
    u->steps_wasted = offer->steps_wasted;
    u->render_ms = offer->render_ms;
}

/* Only of work that was seen from its start to its end. */
static void learn_pace(struct attempt *a, int64_t now_ns)
{
    if (a->begun_ns == 0) return;
    if (a->resumed_step == 0) pace_add(&a->task->lane->tasks, now_ns - a->begun_ns);
    attempt_stop_paying(a, now_ns);
}

static void win(struct farm *f, struct attempt *a, enum suspect suspect, int64_t now_ns);

/* It rode in the offer and was looked at: there is nothing to wait for. */
static bool is_report(const struct attempt *a)
{
    return a->task->group->shape.output == OUTPUT_REPORT;
}

static void take_upload(struct farm *f, struct attempt *a, const struct farm_offer *offer,
                        int64_t now_ns)
{
    struct worker *w = a->worker;
    if (a->upload != NULL && a->upload->complete) return; /* the verdict is on its way */
    if (a->upload == NULL) learn_pace(a, now_ns);
    if (a->fingerprint == NULL) attempt_set_fingerprint(a, fingerprint_of(offer));
    worker_vacate(f, a, now_ns);
    checkpoint_forget(f, a);
    struct upload *u = upload_of(a);
    credit_rest(u, now_ns);
    credit_withdraw(f, u);
    fill(u, offer);
    start_over(u);
    a->phase = PHASE_UPLOADING;
    returns_began(f, a->task);
    if (is_complete(u)) {
        complete(f, a);
    } else {
        join_transfers(f, u, now_ns);
        lease_stand(f, a); /* credit is ours to give */
    }
    if (u->complete && is_report(a)) win(f, a, SUSPECT_NONE, now_ns);
    worker_settle(f, w, NULL, NULL);
}

void offer_pause(struct farm *f, struct attempt *a)
{
    struct upload *u = a->upload;
    if (u == NULL || u->complete) return;
    credit_part(u);
    credit_withdraw(f, u);
    chain_remove(&u->in_transfers);
    u->paused = true;
}

static void discard(struct farm *f, const struct attempt *a)
{
    struct effect_job *job = &effects_add(&f->effects, EFFECT_DISCARD_UPLOAD)->job;
    job->task = task_key(a->task);
    job->worker = a->worker->name;
    job->worker_fence = a->worker_fence;
}

/* A report has no file that could be left. */
void offer_forget(struct farm *f, struct attempt *a)
{
    struct upload *u = a->upload;
    if ((u != NULL || a->loaded) && !is_report(a)) discard(f, a);
    if (u == NULL) return;
    credit_withdraw(f, u);
    chain_remove(&u->in_transfers);
    free(u->fingerprint);
    free(u);
    a->upload = NULL;
}

/* ---- offers of attempts that have ended, or that nobody knows (T2) ---- */

struct stored { /* what is known of a task whose outputs are here */
    const char *winner;
    uint64_t fence;
};

static struct stored stored_of(const struct task *t, const struct task_record *row)
{
    if (t != NULL)
        return (struct stored){t->winner != NULL ? t->winner->name : NULL, t->winner_fence};
    if (row != NULL) return (struct stored){row->winner, row->winner_fence};
    return (struct stored){NULL, 0};
}

static void answer_done(struct farm *f, const struct worker *w, const struct farm_offer *offer,
                        const struct task *t)
{
    struct stored stored = stored_of(t, offer->row);
    bool won = stored.winner != NULL && strcmp(stored.winner, w->name) == 0 &&
               stored.fence == offer->attempt.fence;
    if (won)
        (void)worker_answer(f, w, EFFECT_STORED, &offer->attempt);
    else
        drop(f, w, &offer->attempt, DROP_DONE, OUTRUN);
}

static void adopt(struct farm *f, struct worker *w, struct batch *b, const struct farm_offer *offer,
                  int64_t now_ns)
{
    const struct task_key *key = &offer->attempt.task;
    struct task *t = task_find(b, key->clip, key->task);
    bool is_first = t == NULL;
    if (is_first) t = task_open(f, work_of(b, key->clip), key->task);
    if (offer->row != NULL && offer->row->fence > t->fence) t->fence = offer->row->fence;
    task_jump_fence(f, t, offer->attempt.fence);
    uint64_t fence = task_next_fence(f, t);
    struct attempt *a = attempt_new(t, w, fence, offer->attempt.fence, 0);
    attempt_set_fingerprint(a, fingerprint_of(offer));
    a->outdated = true; /* nobody knows any more what it went on from */
    attempt_take_task(f, t);
    attempt_save(f, a);
    if (is_first) work_begin(f, t->work);
    take_upload(f, a, offer, now_ns);
}

struct denial {
    enum drop_reason reason; /* DROP_NONE: it may be adopted */
    const char *why;
};

static struct denial fenced(const char *why)
{
    return (struct denial){DROP_FENCED, why};
}

/* Of what is compared its worker hears what it heard when that was put by. */
static struct denial of_its_own(const struct task *t)
{
    if (opinion_compares(t)) return (struct denial){DROP_DONE, OUTRUN};
    return fenced("it was rendered by this worker before: another one's is waited for");
}

static bool has_inputs(const struct batch *b, const struct work *work, const struct task_key *key)
{
    return work != NULL ? work_has_inputs(work, key->task)
                        : !task_has_inputs(clip_group(b, key->clip), key->task);
}

/* Whoever knows a batch's recipes could claim all of it otherwise. Leases from before a restore are
 * rows that may be gone: they are believed. */
static bool was_given(const struct farm *f, const struct worker *w, const struct farm_offer *offer)
{
    if (task_fence_is_of_before(f, offer->attempt.fence)) return true;
    return offer->given_to != NULL && strcmp(offer->given_to, w->name) == 0;
}

static struct denial denial_of(const struct farm *f, const struct worker *w, const struct batch *b,
                               const struct task *t, const struct farm_offer *offer)
{
    const struct task_key *key = &offer->attempt.task;
    const struct work *work = work_find(b, key->clip);
    const char *fingerprint = fingerprint_of(offer);
    if (!offer->matches) return (struct denial){DROP_MISMATCH, "not what the task asks for"};
    if (w->quarantined) return fenced("its worker renders wrong frames");
    if (t != NULL && t->losses + t->counted >= ADOPTIONS_END)
        return fenced("too many results of it never came");
    if (!task_fence_is_ours(f, offer->attempt.fence)) return fenced("not our fence");
    if (!was_given(f, w, offer)) return fenced("it was never given to this worker");
    if (t != NULL && !opinion_may_adopt(f, t, w, offer->attempt.fence, fingerprint))
        return of_its_own(t);
    if (!has_inputs(b, work, key)) return fenced("what it goes on from is not stored");
    if (work != NULL && !pin_takes(work, fingerprint))
        return fenced("its clip is made with another fingerprint");
    return (struct denial){DROP_NONE, NULL};
}

/* Of a task that is neither done nor over. */
static void take_wanted(struct farm *f, struct worker *w, struct batch *b, const struct task *t,
                        const struct farm_offer *offer, int64_t now_ns)
{
    const struct denial denial = denial_of(f, w, b, t, offer);
    if (denial.reason != DROP_NONE)
        drop(f, w, &offer->attempt, denial.reason, denial.why);
    else
        adopt(f, w, b, offer, now_ns);
}

static void take_unknown(struct farm *f, struct worker *w, struct batch *b,
                         const struct farm_offer *offer, int64_t now_ns)
{
    const struct attempt_key *key = &offer->attempt;
    const struct task *t = task_find(b, key->task.clip, key->task.task);
    enum clip_state state = clip_state(b, key->task.clip);
    bool is_done = state == CLIP_PUBLISHED || (t != NULL && t->state == TASK_DONE);
    if (state == CLIP_CANCELED)
        drop(f, w, key, DROP_CANCELED, "the batch was canceled");
    else if (is_done && !mutated(MUTATION_NO_FENCE))
        answer_done(f, w, offer, t);
    else if (state == CLIP_FAILED)
        drop(f, w, key, DROP_FENCED, "its task has failed");
    else
        take_wanted(f, w, b, t, offer, now_ns);
}

static bool is_known(const struct batch *b, const struct farm_offer *offer)
{
    const struct task_key *key = &offer->attempt.task;
    return b != NULL && key->clip < b->clips && key->task < clip_group(b, key->clip)->tasks &&
           offer->output_count > 0 && offer->output_count <= LIMIT_OUTPUTS;
}

/* S7: nothing else than its slot said. */
static bool is_as_assigned(const struct attempt *a, const struct farm_offer *offer)
{
    const char *fingerprint = fingerprint_of(offer);
    if (a->task->group->tasks == 1) return true;
    if (a->fingerprint != NULL) return strcmp(a->fingerprint, fingerprint) == 0;
    return a->task->work->done == 0 || pin_takes(a->task->work, fingerprint);
}

void offer_take(struct farm *f, struct worker *w, const struct farm_offer *offer, int64_t now_ns)
{
    const struct attempt_key *key = &offer->attempt;
    struct batch *b = batch_find(f, key->task.batch);
    if (!is_known(b, offer)) {
        drop(f, w, key, DROP_UNKNOWN, "no such task");
        return;
    }
    struct attempt *a = attempt_find(f, w, key);
    if (a == NULL)
        take_unknown(f, w, b, offer, now_ns);
    else if (!offer->matches)
        reject(f, a, DROP_MISMATCH, "not what the task asks for", now_ns);
    else if (!is_as_assigned(a, offer))
        reject(f, a, DROP_MISMATCH, "rendered with another fingerprint than was assigned", now_ns);
    else
        take_upload(f, a, offer, now_ns);
}

bool offer_differs(const struct attempt *a, const struct farm_offer *offer)
{
    const struct upload *u = a->upload;
    if (u == NULL || !u->complete) return false;
    return !outputs_are_same(u->outputs, u->output_count, offer->outputs, offer->output_count);
}

/* ---- bytes ---- */

bool offer_received(struct farm *f, struct attempt *a, uint32_t output, uint64_t offset,
                    int64_t now_ns)
{
    struct upload *u = a->upload;
    if (u == NULL || u->complete || u->paused || output != u->current) return false;
    if (offset <= u->received[output] || offset > u->granted) return false;
    credit_used(f, u, offset, now_ns);
    if (is_complete(u)) complete(f, a);
    return true;
}

static void verify(struct farm *f, struct attempt *a)
{
    struct upload *u = a->upload;
    struct effect_job *job = &effects_add(&f->effects, EFFECT_VERIFY)->job;
    u->checking = true;
    job->task = task_key(a->task);
    job->worker = a->worker->name;
    job->worker_fence = a->worker_fence;
    job->output_count = u->output_count;
    memcpy(job->outputs, u->outputs, sizeof(job->outputs));
    job->shape = a->task->group->shape;
}

static void verify_again(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    verify(f, subject);
}

void offer_init(struct attempt *a)
{
    deadline_init(&a->recheck, a, verify_again);
}

/* False: nobody is there to be asked, and nobody would end it. */
static bool forget_bytes(struct farm *f, struct attempt *a, const char *why, int64_t now_ns)
{
    struct upload *u = a->upload;
    if (a->worker->session == 0) {
        attempt_end(f, a, END_LOST, &(struct attempt_detail){.message = why}, now_ns);
        return false;
    }
    credit_withdraw(f, u);
    memset(u->received, 0, sizeof(u->received));
    u->complete = false;
    start_over(u);
    return true;
}

static void ask_once_more(struct farm *f, struct attempt *a, int64_t now_ns)
{
    if (forget_bytes(f, a, "wrong bytes, and its worker has left", now_ns))
        join_transfers(f, a->upload, now_ns);
}

/* Which of its files stand is for the shell to say, when the disk may have recovered. */
void offer_lost(struct farm *f, struct attempt *a, int64_t now_ns)
{
    struct upload *u = a->upload;
    if (u == NULL || u->checking || !u->complete) return;
    if (forget_bytes(f, a, "the disk did not keep it, and its worker has left", now_ns))
        u->paused = true;
}

void offer_uploaded(struct farm *f, struct attempt *a, bool digests_right, int64_t now_ns)
{
    struct upload *u = a->upload;
    if (u == NULL || u->checking) return;
    if (digests_right) {
        complete(f, a);
        verify(f, a);
    } else if (++u->wrong_digests < TRIES && has_bytes(u)) {
        ask_once_more(f, a, now_ns);
    } else {
        reject(f, a, DROP_REJECTED, "its bytes have another digest than offered", now_ns);
    }
}

/* ---- verdict ---- */

static void save_outputs(struct farm *f, const struct attempt *a)
{
    const struct upload *u = a->upload;
    const char *fingerprint = effects_text(&f->effects, u->fingerprint);
    for (uint32_t i = 0; i < u->output_count; i++) {
        struct output_record *o = &effects_add(&f->effects, EFFECT_SAVE_OUTPUT)->output;
        o->task = task_key(a->task);
        o->index = i;
        o->output = u->outputs[i];
        o->fingerprint = fingerprint;
        a->task->output_bytes += u->outputs[i].size_bytes;
    }
}

static void dismiss_others(struct farm *f, const struct attempt *winner, int64_t now_ns)
{
    CHAIN_EACH(link, &winner->task->live)
    {
        struct attempt *a = CHAIN_OWNER(link, struct attempt, of_task);
        if (a == winner) continue;
        attempt_dismiss(f, a, END_SUPERSEDED, DROP_DONE, OUTRUN, now_ns);
    }
}

static void win(struct farm *f, struct attempt *a, enum suspect suspect, int64_t now_ns)
{
    struct task *t = a->task;
    struct attempt_key key = attempt_key(a);
    t->state = TASK_DONE;
    t->winner = a->worker;
    t->winner_fence = a->worker_fence;
    t->output_bytes = 0;
    t->suspect = suspect;
    opinion_close(f, t);
    chain_remove(&t->in_disputed);
    deadline_clear(&f->timers, &t->patience);
    t->preferred = NULL;
    save_outputs(f, a);
    f->stitch_bytes += t->output_bytes;
    pin_update(f, t->work, a->upload->fingerprint);
    (void)worker_answer(f, a->worker, EFFECT_STORED, &key);
    dismiss_others(f, a, now_ns);
    standing_disprove(f, t, a->worker, now_ns);
    checkpoint_done(f, a);
    const struct output report = is_report(a) ? a->upload->outputs[0] : (struct output){.kind = ""};
    attempt_end(f, a, END_DONE, NULL, now_ns);
    if (report.kind[0] != '\0') {
        work_report_done(f, t, &report);
        return;
    }
    task_save(f, t, true);
    work_task_done(f, t, now_ns);
}

/* It is whole. Whether it is to be believed is for others to say now and then. */
static void take_sound(struct farm *f, struct attempt *a, const struct farm_verdict *verdict,
                       int64_t now_ns)
{
    struct opinion_losers losers = {.count = 0};
    const struct task_key key = task_key(a->task);
    const struct worker *w = a->worker;
    if (opinion_hear(f, a, verdict, &losers, now_ns)) win(f, a, verdict->suspect, now_ns);
    condemn_losers(f, &losers, &key, w, now_ns);
}

static void child_died(struct farm *f, struct attempt *a, const char *message, int64_t now_ns)
{
    if (++a->upload->deaths < TRIES)
        verify(f, a);
    else
        reject(f, a, DROP_REJECTED, message, now_ns);
}

static void put_off(struct farm *f, struct attempt *a, int64_t now_ns)
{
    deadline_set(&f->timers, &a->recheck, now_ns + RECHECK_NS);
}

static void child_failed(struct farm *f, struct attempt *a, const char *message, int64_t now_ns)
{
    if (++a->upload->failures < FAILURES)
        put_off(f, a, now_ns);
    else
        reject(f, a, DROP_REJECTED, message, now_ns);
}

/* It was whole when it came: whoever rendered it is not to blame. */
static void unreadable(struct farm *f, struct attempt *a, const char *message, int64_t now_ns)
{
    if (++a->upload->unreadable < TRIES)
        put_off(f, a, now_ns);
    else
        attempt_dismiss(f, a, END_HANDED_BACK, DROP_FENCED, message, now_ns);
}

void offer_verdict(struct farm *f, struct attempt *a, const struct farm_verdict *verdict,
                   int64_t now_ns)
{
    if (a->upload == NULL || !a->upload->checking || deadline_is_set(&a->recheck)) return;
    switch (verdict->kind) {
    case VERDICT_SOUND:
        take_sound(f, a, verdict, now_ns);
        break;
    case VERDICT_REJECTED:
        reject(f, a, DROP_REJECTED, verdict->message, now_ns);
        break;
    case VERDICT_CHILD_DIED:
        child_died(f, a, verdict->message, now_ns);
        break;
    case VERDICT_CHILD_FAILED:
        child_failed(f, a, verdict->message, now_ns);
        break;
    case VERDICT_UNREADABLE:
        unreadable(f, a, verdict->message, now_ns);
        break;
    case VERDICT_DEFERRED:
        put_off(f, a, now_ns);
        break;
    }
}

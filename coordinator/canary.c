#include "coordinator/canary.h"

#include <stdio.h>

#include "base/clock.h"
#include "coordinator/lease.h"
#include "coordinator/proof.h"
#include "coordinator/refusal.h"
#include "coordinator/standing.h"

#define CANARY_LIMIT_NS (60 * NS_PER_S)
#define CANARY_AGAIN_NS (2 * NS_PER_S) /* a heartbeat */

/* A model's folder may have gone on its way here: nobody is to blame for what never arrived. */
static void run_out(struct farm *f, void *subject, int64_t now_ns)
{
    struct worker *w = subject;
    struct canary *c = &w->canary;
    if (c->out == NULL) {
        canary_done(f, w, c->number, NULL, "no answer within a minute", now_ns);
    } else if (!c->heard) {
        canary_handed_back(f, w, c->number, HAND_BACK_NONE, now_ns);
    } else {
        struct farm_model_frame frame = {
            .number = c->number, .message = "no progress within its limit", .said = CANARY_UNKNOWN};
        canary_of_model_done(f, w, &frame, now_ns);
    }
}

static void try_again(struct farm *f, void *subject, int64_t now_ns)
{
    (void)now_ns;
    roster_touch(f, subject); /* it is wanted already: its time has come */
}

void canary_init(struct worker *w)
{
    deadline_init(&w->canary.due, w, run_out);
    deadline_init(&w->canary.again, w, try_again);
}

void canary_want(struct farm *f, struct worker *w)
{
    if (w->canary.wanted) return;
    w->canary.wanted = true;
    w->canary.next = NULL;
    roster_touch(f, w);
}

/* ---- out ---- */

bool canary_may_go(const struct worker *w)
{
    return w->canary.wanted && !w->standing.held && w->canary.number == 0 &&
           w->presence == WORKER_PRESENT && w->session != 0 && !w->draining &&
           !deadline_is_set(&w->canary.again);
}

bool canary_could_go(const struct worker *w)
{
    return w->canary.number == 0 && !deadline_is_set(&w->canary.again);
}

/* A model may have to be fetched and opened: progress counts, as for its tasks. */
static int64_t limit_of(const struct worker *w)
{
    int64_t limit = w->canary.out != NULL ? lease_limit(w, w->canary.out) : 0;
    return limit > CANARY_LIMIT_NS ? limit : CANARY_LIMIT_NS;
}

static void send(struct farm *f, struct slot *s, const struct lane *lane, int64_t now_ns)
{
    struct worker *w = s->worker;
    struct canary *c = &w->canary;
    c->number = ++f->last_canary;
    c->out = lane;
    c->slot = s->index;
    c->heard = false;
    c->phase = PHASE_NONE;
    c->step = 0;
    c->amount = 0;
    s->canary = true;
    int64_t limit_ns = limit_of(w);
    deadline_set(&f->leases, &c->due, now_ns + limit_ns);
    struct effect_message *m = worker_message(f, w, EFFECT_ASSIGN);
    m->attempt.fence = c->number;
    m->slot = s->index;
    m->canary = true;
    m->limit_ns = limit_ns;
    if (lane != NULL) m->model = lane->model;
    worker_settle(f, w, NULL, NULL);
}

void canary_assign(struct farm *f, struct worker *w, int64_t now_ns)
{
    if (!canary_may_go(w)) return;
    for (uint32_t i = 0; i < w->slot_count; i++) {
        if (!worker_slot_is_free(&w->slots[i])) continue;
        send(f, &w->slots[i], w->canary.next, now_ns);
        return;
    }
}

void canary_first(struct farm *f, struct slot *s, const struct lane *lane, int64_t now_ns)
{
    send(f, s, lane, now_ns);
    s->warm = lane; /* it loads what its tasks need */
    roster_place(f, s);
}

/* ---- on its way ---- */

static bool is_ahead(const struct canary *c, const struct farm_held *at)
{
    if (at->phase != c->phase) return at->phase > c->phase;
    if (at->step != c->step) return at->step > c->step;
    return at->amount > c->amount;
}

void canary_heard(struct farm *f, struct worker *w, const struct farm_held *at, int64_t now_ns)
{
    struct canary *c = &w->canary;
    if (c->number == 0 || at->attempt.fence != c->number) return;
    c->heard = true;
    if (c->out == NULL || at->phase >= PHASE_COUNT || !is_ahead(c, at)) return;
    c->phase = at->phase;
    c->step = at->step;
    c->amount = at->amount;
    deadline_set(&f->leases, &c->due, now_ns + limit_of(w));
}

/* ---- back ---- */

static void take_back(struct farm *f, struct worker *w)
{
    struct canary *c = &w->canary;
    deadline_clear(&f->leases, &c->due);
    if (c->slot < w->slot_count) w->slots[c->slot].canary = false;
    c->number = 0;
    c->out = NULL;
    roster_touch(f, w);
    f->settle_wanted = true;
    f->pins_wanted = true;
}

/* What was wanted before other work stays wanted; a model's is asked for by its next task. */
void canary_drop(struct farm *f, struct worker *w)
{
    if (w->canary.number != 0) take_back(f, w);
}

/* As for a task: nobody's fault, and not asked again at once. In quarantine another way out must
 * be.
 */
static void refuse(struct farm *f, struct worker *w, const struct lane *lane,
                   enum hand_back_reason reason, int64_t now_ns)
{
    if (reason != HAND_BACK_MODEL && reason != HAND_BACK_MEMORY) return;
    if (reason == HAND_BACK_MODEL)
        refusal_of_model(f, w, lane, now_ns);
    else
        refusal_of_memory(f, w, lane, true);
    w->canary.next = NULL;
}

void canary_handed_back(struct farm *f, struct worker *w, uint64_t number,
                        enum hand_back_reason reason, int64_t now_ns)
{
    const struct lane *lane = w->canary.out;
    if (number == 0 || number != w->canary.number) return;
    take_back(f, w);
    if (lane != NULL) refuse(f, w, lane, reason, now_ns);
    deadline_set(&f->timers, &w->canary.again, now_ns + CANARY_AGAIN_NS);
    worker_settle(f, w, NULL, NULL);
}

static void admit(struct farm *f, struct worker *w)
{
    bool was_out = !w->admitted;
    w->canary.wrong = 0;
    w->canary.wanted = false;
    w->canary.next = NULL;
    deadline_clear(&f->timers, &w->canary.again);
    if (w->standing.held) return; /* an operator's quarantine ends by an operator */
    w->admitted = true;
    w->quarantined = false;
    if (was_out) farm_event(f, "worker.admitted", NULL, -1, w->name, "its canary was right");
    worker_settle(f, w, NULL, NULL);
    if (was_out) worker_save(f, w);
}

static bool is_wanted(const struct canary *c, const struct lane *lane)
{
    if (!c->wanted || c->next == NULL || lane == NULL) return c->wanted && c->next == lane;
    return c->next->canary == lane->canary;
}

static void right(struct farm *f, struct worker *w, const struct lane *lane)
{
    w->canary.right++;
    if (is_wanted(&w->canary, lane))
        admit(f, w);
    else
        worker_settle(f, w, NULL, NULL);
}

static void reason_text(char reason[LIMIT_TEXT_BYTES], const struct lane *lane, const char *message)
{
    if (lane == NULL)
        (void)snprintf(reason, LIMIT_TEXT_BYTES, "canary wrong: %s", message);
    else
        (void)snprintf(reason, LIMIT_TEXT_BYTES, "canary of model %s wrong: %s", lane->canary->name,
                       message);
}

static int64_t wait_after(const struct worker *w)
{
    static const int64_t waits_ns[] = {60 * NS_PER_S, 300 * NS_PER_S, 1500 * NS_PER_S};
    uint32_t last = sizeof(waits_ns) / sizeof(waits_ns[0]) - 1;
    return waits_ns[w->canary.wrong < last ? w->canary.wrong : last];
}

static void wrong(struct farm *f, struct worker *w, const struct lane *lane, const char *message,
                  int64_t now_ns)
{
    char reason[LIMIT_TEXT_BYTES];
    reason_text(reason, lane, message);
    if (!w->quarantined) worker_explain(w, reason, NULL); /* what led there is what is told */
    standing_strike(f, w);
    proof_forget(w);
    w->standing.suspected = false;
    w->canary.wanted = true;
    w->canary.next = lane;
    w->admitted = false;
    w->quarantined = true;
    deadline_set(&f->timers, &w->canary.again, now_ns + wait_after(w));
    w->canary.wrong++;
    worker_settle(f, w, reason, NULL);
    worker_save(f, w);
}

void canary_done(struct farm *f, struct worker *w, uint64_t number,
                 const struct digest *frames_sha256, const char *message, int64_t now_ns)
{
    if (number == 0 || number != w->canary.number || w->canary.out != NULL) return; /* an older */
    take_back(f, w);
    if (frames_sha256 == NULL)
        wrong(f, w, NULL, message, now_ns);
    else if (digest_equal(frames_sha256, &f->config.canary_answer))
        right(f, w, NULL);
    else
        wrong(f, w, NULL, "other frames than expected", now_ns);
}

/* ---- of a model ---- */

static void could_not(struct farm *f, struct worker *w, const struct lane *lane,
                      const char *message, int64_t now_ns)
{
    char reason[LIMIT_TEXT_BYTES];
    if (is_wanted(&w->canary, lane)) {
        wrong(f, w, lane, message, now_ns);
        return;
    }
    reason_text(reason, lane, message);
    farm_event(f, "canary.failed", NULL, -1, w->name, reason);
    worker_settle(f, w, NULL, NULL);
}

void canary_of_model_done(struct farm *f, struct worker *w, const struct farm_model_frame *frame,
                          int64_t now_ns)
{
    const struct lane *lane = w->canary.out;
    if (frame->number == 0 || frame->number != w->canary.number || lane == NULL) return;
    const char *fingerprint = w->slots[w->canary.slot].fingerprint;
    const struct digest *frames = frame->frames_sha256;
    take_back(f, w);
    enum canary_verdict verdict = proof_hear(f, w, lane, fingerprint, frames, frame->said, now_ns);
    if (verdict == CANARY_WRONG)
        wrong(f, w, lane, frames != NULL ? "other frames than expected" : frame->message, now_ns);
    else if (verdict == CANARY_UNKNOWN && frames == NULL)
        could_not(f, w, lane, frame->message, now_ns);
    else
        right(f, w, lane);
}

void canary_was_wrong(struct farm *f, struct worker *w, const struct lane *lane, const char *why,
                      int64_t now_ns)
{
    char reason[LIMIT_TEXT_BYTES];
    proof_forget(w);
    if (w->presence == WORKER_AWAY || w->quarantined) return;
    reason_text(reason, lane, why);
    standing_strike(f, w);
    standing_quarantine(f, w, reason, NULL, wait_after(w), now_ns);
    w->canary.next = lane;
    w->canary.wrong++;
}

/* Whatever an event changes, `slot_pump` then starts what can be started. */
#include "worker/slot_core.h"

#include <stdio.h>
#include <string.h>

#include "base/xalloc.h"
#include "worker/slot_core_parts.h"

void slot_core_init(struct slot_core *s, unsigned slots)
{
    memset(s, 0, sizeof *s);
    s->slots = slots;
}

void slot_core_finish(struct slot_core *s)
{
    slot_work_free(s->running);
    slot_work_free(s->next);
    memset(s, 0, sizeof *s);
}

/* ---- actions ---- */

struct slot_action *slot_act(struct slot_actions *out, enum slot_action_kind kind,
                             const struct slot_work *work)
{
    ZOE_ASSERT(out->count < SLOT_ACTIONS_MAX);
    struct slot_action *action = &out->items[out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    if (work) action->name = work->name;
    return action;
}

void slot_hand_back(struct slot_work *work, Farm__HandBackReason reason, const char *message,
                    struct slot_actions *out)
{
    struct slot_action *action = slot_act(out, SLOT_HANDED_BACK, work);
    action->reason = reason;
    snprintf(action->message, sizeof action->message, "%s", message);
    slot_work_free(work);
}

/* A canary that cannot be rendered is an answer, not an end: W2 judges it. */
void slot_end(struct slot_work *work, Farm__EndKind kind, const char *message, uint32_t steps,
              struct slot_actions *out)
{
    bool answer = work->canary && kind != FARM__END_KIND__END_CANCELED;
    struct slot_action *action = slot_act(out, answer ? SLOT_CANARY_FAILED : SLOT_ENDED, work);
    action->end = kind;
    action->steps = steps;
    action->own = work->own;
    if (work->own) action->part = work->parts[0].digest;
    snprintf(action->message, sizeof action->message, "%s", message);
    slot_work_free(work);
}

void slot_refuse(struct slot_work *work, Farm__HandBackReason reason, uint32_t steps,
                 const char *message, struct slot_actions *out)
{
    if (work->canary && !work->own)
        slot_end(work, FARM__END_KIND__END_FAILED, message, steps, out);
    else
        slot_hand_back(work, reason, message, out);
}

static void say_place(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_act(out, SLOT_PROGRESS, s->running)->place = s->place;
    s->said = s->place;
    s->said_ns = now_ns;
}

bool slot_has_unsaid(const struct slot_core *s)
{
    return s->running && (s->place.phase != s->said.phase || s->place.step != s->said.step ||
                          s->place.amount != s->said.amount);
}

/* A change of phase is told at once. */
void slot_say_progress(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (!slot_has_unsaid(s)) return;
    if (s->place.phase != s->said.phase || now_ns - s->said_ns >= SLOT_PROGRESS_NS)
        say_place(s, now_ns, out);
}

/* ---- where the running attempt is ---- */

void slot_set_phase(struct slot_core *s, Farm__Phase phase, int64_t now_ns)
{
    s->place.phase = phase;
    s->place.amount = 0;
    s->fraction = 0;
    s->sign_ns = now_ns;
}

void slot_kill_engine(struct slot_core *s, enum slot_intent intent, struct slot_actions *out)
{
    if (intent != SLOT_NO_INTENT) s->intent = intent;
    if (s->engine == SLOT_COLD || s->engine == SLOT_DYING) return;
    s->engine = SLOT_DYING;
    slot_act(out, SLOT_KILL, s->running);
}

struct slot_work *slot_take_running(struct slot_core *s)
{
    struct slot_work *work = s->running;
    s->running = NULL;
    s->intent = SLOT_NO_INTENT;
    s->loading = false;
    s->saving = false;
    return work;
}

uint32_t slot_steps_computed(const struct slot_core *s)
{
    return s->place.step > s->first_step ? s->place.step - s->first_step : 0;
}

/* ---- starting what can be started ---- */

/* A prefetched attempt has no limit yet, so it does not begin while the engine may not start. */
static bool may_promote(const struct slot_core *s, int64_t now_ns)
{
    if (s->running || !s->next || s->closed) return false;
    return s->engine != SLOT_DYING && (s->engine != SLOT_COLD || now_ns >= s->restart_ns);
}

void slot_begin(struct slot_core *s, struct slot_work *work, int64_t now_ns)
{
    s->running = work;
    s->fetched_bytes = 0;
    s->first_step = 0;
    s->step_ns = s->step_at_ns = 0;
    s->pace = (struct checkpoint_pace){.begun_ns = 0};
    s->place = (struct slot_place){.phase = FARM__PHASE__PHASE_NONE};
    s->said = s->place;
    slot_set_phase(
        s, slot_work_is_complete(work) ? FARM__PHASE__PHASE_LOADING : FARM__PHASE__PHASE_FETCHING,
        now_ns);
}

static void promote(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_begin(s, s->next, now_ns);
    s->next = NULL;
    if (s->engine == SLOT_READY &&
        slot_work_is_complete(s->running)) { /* the engine's idle time counts */
        s->engine = SLOT_BUSY;
        slot_act(out, SLOT_RENDER, s->running)->work = s->running;
    }
    slot_act(out, SLOT_STARTED, s->running);
}

static void spawn(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    s->engine = SLOT_STARTING;
    s->engine_ns = now_ns;
    s->sign_ns = now_ns;
    slot_act(out, SLOT_SPAWN, NULL);
}

void slot_pump(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (may_promote(s, now_ns)) promote(s, now_ns, out);
    if (s->engine == SLOT_COLD && !s->closed && now_ns >= s->restart_ns) spawn(s, now_ns, out);
    if (s->engine == SLOT_READY && s->running && slot_work_is_complete(s->running)) {
        s->engine = SLOT_BUSY;
        slot_act(out, SLOT_RENDER, s->running)->work = s->running;
    }
    slot_say_progress(s, now_ns, out);
}

void slot_core_start(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_pump(s, now_ns, out);
}

/* ---- checkpoints ---- */

static void ask_to_save(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->slots == 0 || s->saving || s->running->canary || s->intent != SLOT_NO_INTENT) return;
    s->saving = true;
    checkpoint_pace_asked(&s->pace, now_ns + s->step_ns);
    slot_act(out, SLOT_SAVE, s->running);
}

/* As far as steps tell: decoding is not known before it begins. */
static bool ends_in_time(const struct slot_core *s, int64_t now_ns)
{
    const int64_t left = s->place.steps > s->place.step ? s->place.steps - s->place.step : 0;
    return s->step_ns == 0 || s->leave_by_ns == 0 || left == 0 ||
           s->step_ns <= (s->leave_by_ns - now_ns) / left;
}

/* What is asked for now is written when the step that has just begun is done. */
void slot_pace_step(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->place.step >= s->place.steps) return;
    if (!ends_in_time(s, now_ns) ||
        checkpoint_pace_is_due(&s->pace, s->place.step + 1, s->place.steps, now_ns + s->step_ns))
        ask_to_save(s, now_ns, out);
}

static void note_saved(struct slot_core *s, const struct slot_saved *saved, bool last,
                       struct slot_actions *out)
{
    checkpoint_pace_saved(&s->pace, saved->took_ns, saved->size_bytes);
    struct slot_action *action = slot_act(out, SLOT_SAVED, s->running);
    action->work = s->running;
    action->saved = *saved;
    action->saved.last = last;
}

void slot_core_saved(struct slot_core *s, const struct attempt_name *name,
                     const struct slot_saved *saved, int64_t now_ns, struct slot_actions *out)
{
    if (!s->saving || !slot_is_named(s->running, name)) return;
    const bool stops =
        s->engine == SLOT_BUSY && s->intent == SLOT_NO_INTENT && !ends_in_time(s, now_ns);
    s->saving = false;
    if (saved) note_saved(s, saved, stops || s->intent == SLOT_INTENT_PREEMPT, out);
    if (stops) slot_kill_engine(s, SLOT_INTENT_PREEMPT, out);
}

/* ---- leaving and dying ---- */

static bool has_begun(const struct slot_core *s)
{
    return s->engine == SLOT_BUSY || (s->engine == SLOT_DYING && s->intent != SLOT_NO_INTENT);
}

void slot_core_drain(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    const Farm__HandBackReason reason = FARM__HAND_BACK_REASON__HAND_BACK_DRAINING;
    s->draining = true;
    if (s->next) slot_hand_back(s->next, reason, "the worker drains", out);
    s->next = NULL;
    if (s->running && !has_begun(s))
        slot_hand_back(slot_take_running(s), reason, "the worker drains", out);
    slot_pump(s, now_ns, out);
}

void slot_core_leave(struct slot_core *s, int64_t leave_by_ns, int64_t now_ns,
                     struct slot_actions *out)
{
    slot_core_drain(s, now_ns, out);
    s->leave_by_ns = leave_by_ns;
    if (s->engine == SLOT_BUSY && s->place.phase == FARM__PHASE__PHASE_RENDERING)
        ask_to_save(s, now_ns, out);
}

void slot_core_preempt(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_core_drain(s, now_ns, out);
    if (s->engine == SLOT_BUSY)
        slot_kill_engine(
            s, s->intent == SLOT_INTENT_CANCEL ? SLOT_INTENT_CANCEL : SLOT_INTENT_PREEMPT, out);
}

/* An idle engine does not grow: what is too much shows when it renders. */
void slot_core_overgrown(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine == SLOT_BUSY)
        slot_kill_engine(
            s, s->intent == SLOT_INTENT_CANCEL ? SLOT_INTENT_CANCEL : SLOT_INTENT_OVERGROWN, out);
    slot_pump(s, now_ns, out);
}

void slot_core_close(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_core_preempt(s, now_ns, out);
    s->closed = true;
    slot_kill_engine(s, SLOT_NO_INTENT, out);
}

/* ---- time ---- */

static bool is_stepping(const struct slot_place *at)
{
    return at->phase == FARM__PHASE__PHASE_RENDERING && (at->steps == 0 || at->step < at->steps);
}

int64_t slot_patience_ns(const struct slot_core *s)
{
    const struct slot_work *work = s->running;
    const int64_t around_ns = is_stepping(&s->place) ? 0 : work->around_limit_ns;
    const int64_t limit_ns = around_ns > work->limit_ns ? around_ns : work->limit_ns;
    return limit_ns / 100 * LEASE_KILL_PERCENT;
}

static int64_t hang_ns(const struct slot_core *s)
{
    if (s->engine == SLOT_STARTING && !s->running) return s->engine_ns + SLOT_START_NS;
    if (!s->running || !slot_work_is_complete(s->running) || s->intent != SLOT_NO_INTENT)
        return INT64_MAX;
    if (s->engine != SLOT_BUSY && s->engine != SLOT_STARTING) return INT64_MAX;
    return s->sign_ns + slot_patience_ns(s);
}

static int64_t cancel_ns(const struct slot_core *s)
{
    return s->engine == SLOT_BUSY && s->intent == SLOT_INTENT_CANCEL ? s->stop_by_ns : INT64_MAX;
}

void slot_core_tick(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (now_ns >= cancel_ns(s))
        slot_kill_engine(s, SLOT_INTENT_CANCEL, out);
    else if (now_ns >= hang_ns(s))
        slot_kill_engine(s, s->running ? SLOT_INTENT_HUNG : SLOT_NO_INTENT, out);
    slot_pump(s, now_ns, out);
}

void slot_core_stood_still(struct slot_core *s, int64_t lost_ns)
{
    s->engine_ns += lost_ns;
    s->sign_ns += lost_ns;
    s->step_at_ns += lost_ns;
    s->stop_by_ns += lost_ns;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t slot_core_deadline(const struct slot_core *s)
{
    int64_t at = least(cancel_ns(s), hang_ns(s));
    if (s->engine == SLOT_COLD && !s->closed) at = least(at, s->restart_ns);
    if (slot_has_unsaid(s)) at = least(at, s->said_ns + SLOT_PROGRESS_NS);
    return at;
}

/* ---- questions ---- */

size_t slot_core_held(const struct slot_core *s, struct slot_held out[2])
{
    size_t count = 0;
    if (s->running) out[count++] = (struct slot_held){s->running->name, s->place};
    if (s->next)
        out[count++] = (struct slot_held){s->next->name, {.phase = FARM__PHASE__PHASE_PREFETCHED}};
    return count;
}

void slot_core_add_results(const struct slot_core *s, struct room *room)
{
    if (s->running) room_add(room, s->running->result_bytes);
    if (s->next) room_add(room, s->next->result_bytes);
}

bool slot_core_is_idle(const struct slot_core *s)
{
    return !s->running && !s->next;
}

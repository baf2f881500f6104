/* What the engine says. */
#include "worker/slot_core_parts.h"

#include <stdio.h>

#include "proto/limits.h"

static const int64_t RESTART_NS[] = {0, 1 * NS_PER_S, 5 * NS_PER_S, 30 * NS_PER_S};
#define RESTART_STEPS (sizeof RESTART_NS / sizeof RESTART_NS[0])

static bool is_rendering(const struct slot_core *s, const struct attempt_name *name)
{
    return s->engine == SLOT_BUSY && slot_is_named(s->running, name);
}

void slot_core_hello(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine != SLOT_STARTING) return;
    s->engine = SLOT_READY;
    if (s->running) s->sign_ns = now_ns;
    slot_pump(s, now_ns, out);
}

void slot_core_loading(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                       struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    s->loading = true;
    s->sign_ns = now_ns;
    slot_say_progress(s, now_ns, out);
}

static void begin_steps(struct slot_core *s, int64_t now_ns)
{
    if (s->place.phase != FARM__PHASE__PHASE_LOADING) return;
    slot_set_phase(s, FARM__PHASE__PHASE_RENDERING, now_ns);
    s->step_at_ns = now_ns;
    s->loading = false;
    checkpoint_pace_begin(&s->pace, s->running->checkpoint_bytes, s->slots, now_ns);
}

void slot_core_begun(struct slot_core *s, const struct attempt_name *name, uint32_t step,
                     uint32_t total, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name) || s->place.step > 0) return;
    begin_steps(s, now_ns);
    s->first_step = s->place.step = step;
    s->place.steps = total;
    slot_say_progress(s, now_ns, out);
}

static void note_step(struct slot_core *s, uint32_t done, int64_t now_ns)
{
    s->step_ns = (now_ns - s->step_at_ns) / (done - s->place.step);
    slot_set_phase(s, FARM__PHASE__PHASE_RENDERING, now_ns);
    s->step_at_ns = now_ns;
    s->place.step = done;
}

void slot_core_step(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                    uint32_t total, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    begin_steps(s, now_ns);
    if (s->place.phase != FARM__PHASE__PHASE_RENDERING) return;
    const bool further = done > s->place.step;
    if (further) note_step(s, done, now_ns);
    s->place.steps = total;
    s->loading = false;
    if (further) slot_pace_step(s, now_ns, out);
    slot_say_progress(s, now_ns, out);
}

void slot_core_frame(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                     int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    if (s->place.phase != FARM__PHASE__PHASE_DECODING)
        slot_set_phase(s, FARM__PHASE__PHASE_DECODING, now_ns);
    if (done > s->place.amount) {
        s->place.amount = done;
        s->sign_ns = now_ns;
        s->fraction = 0;
    }
    s->loading = false;
    slot_say_progress(s, now_ns, out);
}

/* Within a step the thousandths of it are the amount: the coordinator sees that it goes on. Within
 * a frame only this end knows. */
void slot_core_alive(struct slot_core *s, const struct attempt_name *name, double fraction,
                     int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name) || !(fraction > s->fraction) || fraction > 1) return;
    begin_steps(s, now_ns);
    s->fraction = fraction;
    s->sign_ns = now_ns;
    s->loading = false;
    if (s->place.phase == FARM__PHASE__PHASE_RENDERING)
        s->place.amount = (uint64_t)(fraction * 1000);
    slot_say_progress(s, now_ns, out);
}

void slot_core_done(struct slot_core *s, const struct attempt_name *name,
                    const struct slot_result *result, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    bool canceled = s->intent == SLOT_INTENT_CANCEL;
    struct slot_work *work = slot_take_running(s);
    s->engine = SLOT_READY;
    s->deaths = 0;
    slot_pump(s, now_ns, out); /* first: the engine shall not wait for the disk */
    if (canceled) {
        slot_end(work, FARM__END_KIND__END_CANCELED, "canceled", result->steps, out);
        return;
    }
    struct slot_action *action = slot_act(out, SLOT_FINISHED, work);
    action->work = work;
    action->result = *result;
}

/* The error codes of an engine that are not simply a failure. */
static const struct {
    enum error_code code;
    bool loading; /* only when the model was being opened */
    Farm__HandBackReason reason;
} refusals[] = {
    {ERROR_FULL, false, FARM__HAND_BACK_REASON__HAND_BACK_DISK},
    {ERROR_NO_MEMORY, false, FARM__HAND_BACK_REASON__HAND_BACK_MEMORY},
    {ERROR_NOT_FOUND, true, FARM__HAND_BACK_REASON__HAND_BACK_MODEL},
    {ERROR_INVALID, true, FARM__HAND_BACK_REASON__HAND_BACK_MODEL},
    {ERROR_CORRUPT, true, FARM__HAND_BACK_REASON__HAND_BACK_MODEL},
};

static Farm__HandBackReason refusal_of(enum error_code code, bool loading)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (refusals[i].code == code && (loading || !refusals[i].loading))
            return refusals[i].reason;
    return FARM__HAND_BACK_REASON__HAND_BACK_NONE;
}

static void end_failed(struct slot_work *work, enum error_code code, bool loading,
                       const char *message, uint32_t steps, struct slot_actions *out)
{
    Farm__HandBackReason reason = refusal_of(code, loading);
    if (code == ERROR_USAGE)
        slot_end(work, FARM__END_KIND__END_RECIPE, message, steps, out);
    else if (reason == FARM__HAND_BACK_REASON__HAND_BACK_MODEL)
        slot_refuse(work, reason, 0, message, out);
    else if (reason != FARM__HAND_BACK_REASON__HAND_BACK_NONE)
        slot_hand_back(work, reason, message, out);
    else
        slot_end(work, FARM__END_KIND__END_FAILED, message, steps, out);
}

void slot_core_failed(struct slot_core *s, const struct attempt_name *name, enum error_code code,
                      const char *message, uint32_t steps, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    bool canceled = s->intent == SLOT_INTENT_CANCEL, loading = s->loading;
    struct slot_work *work = slot_take_running(s);
    s->engine = SLOT_READY;
    if (canceled)
        slot_end(work, FARM__END_KIND__END_CANCELED, "canceled", steps, out);
    else
        end_failed(work, code, loading, message, steps, out);
    slot_pump(s, now_ns, out);
}

void slot_core_models_changed(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine != SLOT_BUSY) return;
    s->engine = SLOT_READY;
    slot_hand_back(slot_take_running(s), FARM__HAND_BACK_REASON__HAND_BACK_RECALLED,
                   "its model was changed on this machine", out);
    slot_pump(s, now_ns, out);
}

static void preempted(struct slot_work *work, struct slot_actions *out)
{
    struct slot_action *action = slot_act(out, SLOT_PREEMPTED, work);
    snprintf(action->message, sizeof action->message, "the worker had to stop");
    slot_work_free(work);
}

static void end_with_engine(struct slot_core *s, const char *how, struct slot_actions *out)
{
    char message[400];
    const uint32_t steps = slot_steps_computed(s);
    long long quiet_s = (long long)(slot_patience_ns(s) / NS_PER_S);
    enum slot_intent intent = s->intent;
    struct slot_work *work = slot_take_running(s);
    if (intent == SLOT_INTENT_CANCEL) {
        slot_end(work, FARM__END_KIND__END_CANCELED, "canceled", steps, out);
    } else if (intent == SLOT_INTENT_PREEMPT) {
        preempted(work, out);
    } else if (intent == SLOT_INTENT_OVERGROWN) {
        slot_refuse(work, FARM__HAND_BACK_REASON__HAND_BACK_MEMORY, steps,
                    "the engine needed more memory than this slot has: it was killed", out);
    } else if (intent == SLOT_INTENT_HUNG) {
        snprintf(message, sizeof message, "no progress for %lld s: the engine was killed", quiet_s);
        slot_end(work, FARM__END_KIND__END_HUNG, message, steps, out);
    } else {
        snprintf(message, sizeof message, "the engine %s", how);
        slot_end(work, FARM__END_KIND__END_FAILED, message, steps, out);
    }
}

/* An attempt that still waits for its model does not care about the engine. */
void slot_core_exited(struct slot_core *s, const char *how, int64_t now_ns,
                      struct slot_actions *out)
{
    bool wanted = s->intent == SLOT_INTENT_CANCEL || s->intent == SLOT_INTENT_PREEMPT;
    size_t step = s->deaths < RESTART_STEPS ? s->deaths : RESTART_STEPS - 1;
    s->restart_ns = now_ns + (wanted ? 0 : RESTART_NS[step]);
    if (!wanted && s->deaths < RESTART_STEPS) s->deaths++;
    s->engine = SLOT_COLD;
    if (s->running && slot_work_is_complete(s->running)) end_with_engine(s, how, out);
    s->intent = SLOT_NO_INTENT;
    slot_pump(s, now_ns, out);
}

/* Whatever an event changes, `pump` then starts what can be started. */
#include "worker/slot_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/xalloc.h"
#include "proto/limits.h"

static const int64_t RESTART_NS[] = {0, 1 * NS_PER_S, 5 * NS_PER_S, 30 * NS_PER_S};
#define RESTART_STEPS (sizeof RESTART_NS / sizeof RESTART_NS[0])

void slot_work_free(struct slot_work *work)
{
    if (!work) return;
    free(work->recipe);
    for (size_t i = 0; i < work->model_count; i++)
        free(work->models[i].folder);
    free(work);
}

void slot_core_init(struct slot_core *s)
{
    memset(s, 0, sizeof *s);
}

void slot_core_finish(struct slot_core *s)
{
    slot_work_free(s->running);
    slot_work_free(s->next);
    memset(s, 0, sizeof *s);
}

static bool has_models(const struct slot_work *work)
{
    for (size_t i = 0; i < work->model_count; i++)
        if (!work->models[i].folder) return false;
    return true;
}

/* ---- actions ---- */

static struct slot_action *act(struct slot_actions *out, enum slot_action_kind kind,
                               const struct slot_work *work)
{
    ZOE_ASSERT(out->count < SLOT_ACTIONS_MAX);
    struct slot_action *action = &out->items[out->count++];
    memset(action, 0, sizeof *action);
    action->kind = kind;
    if (work) action->name = work->name;
    return action;
}

static void hand_back(struct slot_work *work, Farm__HandBackReason reason, const char *message,
                      struct slot_actions *out)
{
    struct slot_action *action = act(out, SLOT_HANDED_BACK, work);
    action->reason = reason;
    snprintf(action->message, sizeof action->message, "%s", message);
    slot_work_free(work);
}

/* A canary that cannot be rendered is an answer, not an end: W2 judges it. */
static void end(struct slot_work *work, Farm__EndKind kind, const char *message, uint32_t steps,
                struct slot_actions *out)
{
    bool answer = work->canary && kind != FARM__END_KIND__END_CANCELED;
    struct slot_action *action = act(out, answer ? SLOT_CANARY_FAILED : SLOT_ENDED, work);
    action->end = kind;
    action->steps = steps;
    snprintf(action->message, sizeof action->message, "%s", message);
    slot_work_free(work);
}

/* A canary that cannot be rendered here is an answer too: handing it back would only bring it
 * again. */
static void refuse(struct slot_work *work, Farm__HandBackReason reason, uint32_t steps,
                   const char *message, struct slot_actions *out)
{
    if (work->canary)
        end(work, FARM__END_KIND__END_FAILED, message, steps, out);
    else
        hand_back(work, reason, message, out);
}

static void no_model(struct slot_work *work, const char *message, struct slot_actions *out)
{
    refuse(work, FARM__HAND_BACK_REASON__HAND_BACK_MODEL, 0, message, out);
}

static void say_place(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    act(out, SLOT_PROGRESS, s->running)->place = s->place;
    s->said = s->place;
    s->said_ns = now_ns;
}

static bool has_unsaid(const struct slot_core *s)
{
    return s->running && (s->place.phase != s->said.phase || s->place.step != s->said.step ||
                          s->place.amount != s->said.amount);
}

/* A change of phase is told at once, the rest at most ten times a second. */
static void say_progress(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (!has_unsaid(s)) return;
    if (s->place.phase != s->said.phase || now_ns - s->said_ns >= SLOT_PROGRESS_NS)
        say_place(s, now_ns, out);
}

/* ---- where the running attempt is ---- */

static void set_phase(struct slot_core *s, Farm__Phase phase, int64_t now_ns)
{
    s->place.phase = phase;
    s->place.amount = 0;
    s->fraction = 0;
    s->sign_ns = now_ns;
}

static void kill_engine(struct slot_core *s, enum slot_intent intent, struct slot_actions *out)
{
    if (intent != SLOT_NO_INTENT) s->intent = intent;
    if (s->engine == SLOT_COLD || s->engine == SLOT_DYING) return;
    s->engine = SLOT_DYING;
    act(out, SLOT_KILL, s->running);
}

static struct slot_work *take_running(struct slot_core *s)
{
    struct slot_work *work = s->running;
    s->running = NULL;
    s->intent = SLOT_NO_INTENT;
    s->loading = false;
    return work;
}

/* ---- starting what can be started ---- */

/* A prefetched attempt has no limit yet, so it does not begin while the engine may not start. */
static bool may_promote(const struct slot_core *s, int64_t now_ns)
{
    if (s->running || !s->next || s->closed) return false;
    return s->engine != SLOT_DYING && (s->engine != SLOT_COLD || now_ns >= s->restart_ns);
}

static void begin(struct slot_core *s, struct slot_work *work, int64_t now_ns)
{
    s->running = work;
    s->fetched_bytes = 0;
    s->place = (struct slot_place){.phase = FARM__PHASE__PHASE_NONE};
    s->said = s->place;
    set_phase(s, has_models(work) ? FARM__PHASE__PHASE_LOADING : FARM__PHASE__PHASE_FETCHING,
              now_ns);
}

static void promote(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    begin(s, s->next, now_ns);
    s->next = NULL;
    if (s->engine == SLOT_READY && has_models(s->running)) { /* the engine's idle time counts */
        s->engine = SLOT_BUSY;
        act(out, SLOT_RENDER, s->running)->work = s->running;
    }
    act(out, SLOT_STARTED, s->running);
}

static void spawn(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    s->engine = SLOT_STARTING;
    s->engine_ns = now_ns;
    s->sign_ns = now_ns;
    act(out, SLOT_SPAWN, NULL);
}

static void pump(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (may_promote(s, now_ns)) promote(s, now_ns, out);
    if (s->engine == SLOT_COLD && !s->closed && now_ns >= s->restart_ns) spawn(s, now_ns, out);
    if (s->engine == SLOT_READY && s->running && has_models(s->running)) {
        s->engine = SLOT_BUSY;
        act(out, SLOT_RENDER, s->running)->work = s->running;
    }
    say_progress(s, now_ns, out);
}

void slot_core_start(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    pump(s, now_ns, out);
}

/* ---- from the coordinator ---- */

static bool is_named(const struct slot_work *work, const struct attempt_name *name)
{
    return work && attempt_name_equal(&work->name, name);
}

bool slot_core_holds(const struct slot_core *s, const struct attempt_name *name)
{
    return is_named(s->running, name) || is_named(s->next, name);
}

static void want_models(const struct slot_work *work, struct slot_actions *out)
{
    for (size_t i = 0; i < work->model_count; i++)
        if (!work->models[i].folder)
            act(out, SLOT_WANT_MODEL, work)->model = work->models[i].digest;
}

void slot_core_assign(struct slot_core *s, struct slot_work *work, Farm__HandBackReason reason,
                      int64_t now_ns, struct slot_actions *out)
{
    if (slot_core_holds(s, &work->name)) {
        slot_work_free(work);
        return;
    }
    if (s->draining || s->closed) {
        hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_DRAINING, "the worker drains", out);
    } else if (reason != FARM__HAND_BACK_REASON__HAND_BACK_NONE) {
        hand_back(work, reason, "no room for two results on this disk", out);
    } else if (s->running && s->next) {
        hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, "the slot is taken", out);
    } else {
        want_models(work, out);
        if (s->running || s->engine == SLOT_DYING)
            s->next = work;
        else
            begin(s, work, now_ns);
    }
    pump(s, now_ns, out);
}

static bool waits_for(const struct slot_work *work, const struct digest *model)
{
    for (size_t i = 0; work && i < work->model_count; i++)
        if (!work->models[i].folder && digest_equal(&work->models[i].digest, model)) return true;
    return false;
}

static void set_folder(struct slot_work *work, const struct digest *model, const char *folder)
{
    for (size_t i = 0; work && i < work->model_count; i++)
        if (!work->models[i].folder && digest_equal(&work->models[i].digest, model))
            work->models[i].folder = xstrdup(folder);
}

/* One of several has come: the bytes of the next count on from here. */
static void note_arrival(struct slot_core *s, int64_t now_ns)
{
    if (has_models(s->running)) {
        set_phase(s, FARM__PHASE__PHASE_LOADING, now_ns);
    } else {
        s->fetched_bytes = s->place.amount;
        s->sign_ns = now_ns;
    }
}

static bool is_part(const struct slot_work *work, size_t place, const struct digest *digest)
{
    return place > 0 && digest_equal(&work->models[place].digest, digest);
}

/* A model that cannot be had here may be elsewhere. Pictures that cannot be made from a file that
 * the coordinator looked at are a failure. */
static void no_part(struct slot_work *work, const struct digest *digest, const char *message,
                    struct slot_actions *out)
{
    if (is_part(work, work->init, digest) || is_part(work, work->mask, digest))
        end(work, FARM__END_KIND__END_FAILED, message, 0, out);
    else
        no_model(work, message, out);
}

static void fail_model(struct slot_core *s, const struct digest *model, const char *message,
                       struct slot_actions *out)
{
    if (waits_for(s->running, model)) no_part(take_running(s), model, message, out);
    if (!waits_for(s->next, model)) return;
    no_part(s->next, model, message, out);
    s->next = NULL;
}

void slot_core_model(struct slot_core *s, const struct digest *model, const char *folder,
                     const char *message, int64_t now_ns, struct slot_actions *out)
{
    if (!folder) {
        fail_model(s, model, message, out);
    } else {
        const bool wanted = waits_for(s->running, model);
        set_folder(s->running, model, folder);
        set_folder(s->next, model, folder);
        if (wanted) note_arrival(s, now_ns);
    }
    pump(s, now_ns, out);
}

void slot_core_fetched(struct slot_core *s, const struct digest *model, uint64_t bytes,
                       int64_t now_ns, struct slot_actions *out)
{
    if (!waits_for(s->running, model) || s->fetched_bytes + bytes <= s->place.amount) return;
    s->place.amount = s->fetched_bytes + bytes;
    s->sign_ns = now_ns;
    say_progress(s, now_ns, out);
}

static void cancel_running(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine == SLOT_DYING && s->intent != SLOT_NO_INTENT) {
        s->intent = SLOT_CANCELED; /* nobody wants to know how it would have ended */
    } else if (s->engine != SLOT_BUSY) {
        end(take_running(s), FARM__END_KIND__END_CANCELED, "canceled", 0, out);
    } else if (s->intent == SLOT_NO_INTENT) {
        s->intent = SLOT_CANCELED;
        s->stop_by_ns = now_ns + SLOT_CANCEL_NS;
        act(out, SLOT_STOP, s->running);
    }
}

bool slot_core_cancel(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out)
{
    if (is_named(s->next, name)) {
        end(s->next, FARM__END_KIND__END_CANCELED, "canceled", 0, out);
        s->next = NULL;
    } else if (is_named(s->running, name)) {
        cancel_running(s, now_ns, out);
    } else {
        return false;
    }
    pump(s, now_ns, out);
    return true;
}

bool slot_core_recall(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                      struct slot_actions *out)
{
    (void)now_ns;
    if (is_named(s->next, name)) {
        hand_back(s->next, FARM__HAND_BACK_REASON__HAND_BACK_RECALLED, "recalled", out);
        s->next = NULL;
        return true;
    }
    if (!is_named(s->running, name)) return false;
    act(out, SLOT_STARTED, s->running);
    return true;
}

static bool has_begun(const struct slot_core *s)
{
    return s->engine == SLOT_BUSY || (s->engine == SLOT_DYING && s->intent != SLOT_NO_INTENT);
}

void slot_core_drain(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    const Farm__HandBackReason reason = FARM__HAND_BACK_REASON__HAND_BACK_DRAINING;
    s->draining = true;
    if (s->next) hand_back(s->next, reason, "the worker drains", out);
    s->next = NULL;
    if (s->running && !has_begun(s)) hand_back(take_running(s), reason, "the worker drains", out);
    pump(s, now_ns, out);
}

void slot_core_preempt(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_core_drain(s, now_ns, out);
    if (s->engine == SLOT_BUSY)
        kill_engine(s, s->intent == SLOT_CANCELED ? SLOT_CANCELED : SLOT_PREEMPTED, out);
}

/* An idle engine does not grow: what is too much shows when it renders. */
void slot_core_overgrown(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine == SLOT_BUSY)
        kill_engine(s, s->intent == SLOT_CANCELED ? SLOT_CANCELED : SLOT_OVERGROWN, out);
    pump(s, now_ns, out);
}

void slot_core_close(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    slot_core_preempt(s, now_ns, out);
    s->closed = true;
    kill_engine(s, SLOT_NO_INTENT, out);
}

/* ---- from the engine ---- */

static bool is_rendering(const struct slot_core *s, const struct attempt_name *name)
{
    return s->engine == SLOT_BUSY && is_named(s->running, name);
}

void slot_core_hello(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (s->engine != SLOT_STARTING) return;
    s->engine = SLOT_READY;
    if (s->running) s->sign_ns = now_ns;
    pump(s, now_ns, out);
}

void slot_core_loading(struct slot_core *s, const struct attempt_name *name, int64_t now_ns,
                       struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    s->loading = true;
    s->sign_ns = now_ns;
    say_progress(s, now_ns, out);
}

void slot_core_step(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                    uint32_t total, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    if (s->place.phase == FARM__PHASE__PHASE_LOADING)
        set_phase(s, FARM__PHASE__PHASE_RENDERING, now_ns);
    if (s->place.phase != FARM__PHASE__PHASE_RENDERING) return;
    if (done > s->place.step) {
        set_phase(s, FARM__PHASE__PHASE_RENDERING, now_ns);
        s->place.step = done;
    }
    s->place.steps = total;
    s->loading = false;
    say_progress(s, now_ns, out);
}

void slot_core_frame(struct slot_core *s, const struct attempt_name *name, uint32_t done,
                     int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    if (s->place.phase != FARM__PHASE__PHASE_DECODING)
        set_phase(s, FARM__PHASE__PHASE_DECODING, now_ns);
    if (done > s->place.amount) {
        s->place.amount = done;
        s->sign_ns = now_ns;
        s->fraction = 0;
    }
    s->loading = false;
    say_progress(s, now_ns, out);
}

/* Within a step the thousandths of it are the amount: the coordinator sees that it goes on. Within
 * a frame only this end knows. */
void slot_core_alive(struct slot_core *s, const struct attempt_name *name, double fraction,
                     int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name) || !(fraction > s->fraction) || fraction > 1) return;
    if (s->place.phase == FARM__PHASE__PHASE_LOADING)
        set_phase(s, FARM__PHASE__PHASE_RENDERING, now_ns);
    s->fraction = fraction;
    s->sign_ns = now_ns;
    s->loading = false;
    if (s->place.phase == FARM__PHASE__PHASE_RENDERING)
        s->place.amount = (uint64_t)(fraction * 1000);
    say_progress(s, now_ns, out);
}

void slot_core_done(struct slot_core *s, const struct attempt_name *name,
                    const struct slot_result *result, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    bool canceled = s->intent == SLOT_CANCELED;
    struct slot_work *work = take_running(s);
    s->engine = SLOT_READY;
    s->deaths = 0;
    pump(s, now_ns, out); /* first: the engine shall not wait for the disk */
    if (canceled) {
        end(work, FARM__END_KIND__END_CANCELED, "canceled", result->steps, out);
        return;
    }
    struct slot_action *action = act(out, SLOT_FINISHED, work);
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
        end(work, FARM__END_KIND__END_RECIPE, message, steps, out);
    else if (reason == FARM__HAND_BACK_REASON__HAND_BACK_MODEL)
        no_model(work, message, out);
    else if (reason != FARM__HAND_BACK_REASON__HAND_BACK_NONE)
        hand_back(work, reason, message, out);
    else
        end(work, FARM__END_KIND__END_FAILED, message, steps, out);
}

void slot_core_failed(struct slot_core *s, const struct attempt_name *name, enum error_code code,
                      const char *message, uint32_t steps, int64_t now_ns, struct slot_actions *out)
{
    if (!is_rendering(s, name)) return;
    bool canceled = s->intent == SLOT_CANCELED, loading = s->loading;
    struct slot_work *work = take_running(s);
    s->engine = SLOT_READY;
    if (canceled)
        end(work, FARM__END_KIND__END_CANCELED, "canceled", steps, out);
    else
        end_failed(work, code, loading, message, steps, out);
    pump(s, now_ns, out);
}

static void end_with_engine(struct slot_core *s, const char *how, struct slot_actions *out)
{
    char message[400];
    uint32_t steps = s->place.step;
    long long quiet_s = (long long)(s->running->limit_ns / 100 * LEASE_KILL_PERCENT / NS_PER_S);
    enum slot_intent intent = s->intent;
    struct slot_work *work = take_running(s);
    if (intent == SLOT_CANCELED) {
        end(work, FARM__END_KIND__END_CANCELED, "canceled", steps, out);
    } else if (intent == SLOT_PREEMPTED) {
        hand_back(work, FARM__HAND_BACK_REASON__HAND_BACK_PREEMPTED, "the worker had to stop", out);
    } else if (intent == SLOT_OVERGROWN) {
        refuse(work, FARM__HAND_BACK_REASON__HAND_BACK_MEMORY, steps,
               "the engine needed more memory than this slot has: it was killed", out);
    } else if (intent == SLOT_HUNG) {
        snprintf(message, sizeof message, "no progress for %lld s: the engine was killed", quiet_s);
        end(work, FARM__END_KIND__END_HUNG, message, steps, out);
    } else {
        snprintf(message, sizeof message, "the engine %s", how);
        end(work, FARM__END_KIND__END_FAILED, message, steps, out);
    }
}

/* An attempt that still waits for its model does not care about the engine. */
void slot_core_exited(struct slot_core *s, const char *how, int64_t now_ns,
                      struct slot_actions *out)
{
    bool wanted = s->intent == SLOT_CANCELED || s->intent == SLOT_PREEMPTED;
    size_t step = s->deaths < RESTART_STEPS ? s->deaths : RESTART_STEPS - 1;
    s->restart_ns = now_ns + (wanted ? 0 : RESTART_NS[step]);
    if (!wanted && s->deaths < RESTART_STEPS) s->deaths++;
    s->engine = SLOT_COLD;
    if (s->running && has_models(s->running)) end_with_engine(s, how, out);
    s->intent = SLOT_NO_INTENT;
    pump(s, now_ns, out);
}

/* ---- time ---- */

static int64_t hang_ns(const struct slot_core *s)
{
    if (s->engine == SLOT_STARTING && !s->running) return s->engine_ns + SLOT_START_NS;
    if (!s->running || !has_models(s->running) || s->intent != SLOT_NO_INTENT) return INT64_MAX;
    if (s->engine != SLOT_BUSY && s->engine != SLOT_STARTING) return INT64_MAX;
    return s->sign_ns + s->running->limit_ns / 100 * LEASE_KILL_PERCENT;
}

static int64_t cancel_ns(const struct slot_core *s)
{
    return s->engine == SLOT_BUSY && s->intent == SLOT_CANCELED ? s->stop_by_ns : INT64_MAX;
}

void slot_core_tick(struct slot_core *s, int64_t now_ns, struct slot_actions *out)
{
    if (now_ns >= cancel_ns(s))
        kill_engine(s, SLOT_CANCELED, out);
    else if (now_ns >= hang_ns(s))
        kill_engine(s, s->running ? SLOT_HUNG : SLOT_NO_INTENT, out);
    pump(s, now_ns, out);
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t slot_core_deadline(const struct slot_core *s)
{
    int64_t at = least(cancel_ns(s), hang_ns(s));
    if (s->engine == SLOT_COLD && !s->closed) at = least(at, s->restart_ns);
    if (has_unsaid(s)) at = least(at, s->said_ns + SLOT_PROGRESS_NS);
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

bool slot_core_is_idle(const struct slot_core *s)
{
    return !s->running && !s->next;
}

/* Every event goes the same way: into the core, then its actions are carried out in order, then the
 * timer is set to what the core waits for. */
#include "worker/slot_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "worker/report.h"

#define PULSE_NS NS_PER_S             /* it is looked at least so often */
#define STOOD_STILL_NS (5 * NS_PER_S) /* so much later than that is no accident */

int64_t slot_look(struct slot *s)
{
    const int64_t now_ns = clock_now_ns(), late_ns = now_ns - s->looked_ns - PULSE_NS;
    if (s->looked_ns != 0 && late_ns > STOOD_STILL_NS) {
        log_warn("slot %d: nobody looked for %lld s", s->options.index,
                 (long long)(late_ns / NS_PER_S));
        slot_core_stood_still(&s->core, late_ns);
    }
    s->looked_ns = now_ns;
    return now_ns;
}

/* ---- its process ---- */

static void finish_close(struct slot *s)
{
    if (!s->closing || s->child || !s->timer_closed) return;
    slot_core_finish(&s->core);
    free(s->last_log);
    free(s->fingerprint);
    free(s->backend);
    free(s->program);
    if (s->on_closed) s->on_closed(s->closed_context);
    free(s);
}

static void on_exit_of_child(void *context, const char *how)
{
    struct slot *s = context;
    free(s->last_log);
    s->last_log = child_log(s->child, LIMIT_LOG_TAIL_BYTES);
    s->child = NULL;
    if (s->closing)
        log_debug("slot %d: the engine %s", s->options.index, how);
    else
        log_warn("slot %d: the engine %s", s->options.index, how);
    SLOT_EVENT(s, slot_core_exited(&s->core, how, now_ns, &actions));
    if (!s->closing) s->options.host.changed(s->options.host.context, s);
    finish_close(s);
}

static void start_child(struct slot *s)
{
    struct error err = {0};
    struct child_options options = {.program = s->program,
                                    .threads = s->options.threads,
                                    .number = s->options.index,
                                    .on_message = slot_hear,
                                    .on_exit = on_exit_of_child,
                                    .context = s};
    s->child = child_start(s->loop, &options, &err);
    if (s->child) return;
    log_error("slot %d: %s", s->options.index, err.message);
    free(s->last_log);
    s->last_log = xstrdup(err.message);
    s->spawn_failed = true;
}

/* ---- carrying out ---- */

static char *log_tail(const struct slot *s)
{
    if (s->child) return child_log(s->child, LIMIT_LOG_TAIL_BYTES);
    return xstrdup(s->last_log ? s->last_log : "");
}

static void do_spawn(struct slot *s, const struct slot_action *a)
{
    (void)a;
    start_child(s);
}

static void do_kill(struct slot *s, const struct slot_action *a)
{
    (void)a;
    if (s->child) child_kill(s->child);
}

static void do_render(struct slot *s, const struct slot_action *a)
{
    char signature[DIGEST_TEXT_SIZE];
    const struct slot_host *host = &s->options.host;
    s->models_changed = !host->sign_models(host->context, a->work, signature);
    if (s->models_changed) return;
    child_log_clear(s->child);
    child_send(s->child, "render", slot_render_fields(s, a->work, signature));
}

static void do_save(struct slot *s, const struct slot_action *a)
{
    char name[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&a->name, name);
    if (!s->child) return;
    char *path = s->options.host.save_path(s->options.host.context, &a->name);
    child_send(s->child, "checkpoint", json_pack("{ssss}", "attempt", name, "path", path));
    free(path);
}

static void do_stop(struct slot *s, const struct slot_action *a)
{
    char name[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&a->name, name);
    if (s->child) child_send(s->child, "cancel", json_pack("{ss}", "attempt", name));
}

static void do_want_part(struct slot *s, const struct slot_action *a)
{
    s->options.host.want_part(s->options.host.context, &a->part);
}

static void do_started(struct slot *s, const struct slot_action *a)
{
    report_started(&a->name, s->options.host.report, s->options.host.context);
}

static void send_progress(void *context, const struct attempt_name *name, Farm__Envelope *envelope)
{
    struct slot *s = context;
    (void)name;
    s->options.host.progress(s->options.host.context, envelope);
}

static void do_progress(struct slot *s, const struct slot_action *a)
{
    report_progress(&a->name, &a->place, send_progress, s);
}

static void do_handed_back(struct slot *s, const struct slot_action *a)
{
    const struct slot_host *host = &s->options.host;
    char name[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&a->name, name);
    log_info("%s handed back: %s", name, a->message);
    report_handed_back(&a->name, a->reason, a->message, host->report, host->context);
    host->no_result(host->context, &a->name);
}

static void do_preempted(struct slot *s, const struct slot_action *a)
{
    s->options.host.preempted(s->options.host.context, &a->name, a->message);
}

static void do_saved(struct slot *s, const struct slot_action *a)
{
    s->options.host.saved(s->options.host.context, s, a->work, &a->saved);
}

static void do_ended(struct slot *s, const struct slot_action *a)
{
    const struct slot_host *host = &s->options.host;
    char name[ATTEMPT_NAME_TEXT_SIZE];
    bool canceled = a->end == FARM__END_KIND__END_CANCELED;
    char *log = canceled ? NULL : log_tail(s);
    attempt_name_text(&a->name, name);
    log_info("%s ended: %s", name, a->message);
    report_ended(&a->name, a->end, a->message, log, a->steps, host->report, host->context);
    host->no_result(host->context, &a->name);
    free(log);
}

static void do_finished(struct slot *s, const struct slot_action *a)
{
    s->options.host.finished(s->options.host.context, s, a->work, &a->result);
}

static void do_canary_failed(struct slot *s, const struct slot_action *a)
{
    const struct slot_host *host = &s->options.host;
    log_warn("the canary failed: %s", a->message);
    const struct report_canary answer = {.slot = (uint32_t)s->options.index,
                                         .fingerprint = s->fingerprint ? s->fingerprint : "",
                                         .message = a->message,
                                         .model = a->own ? &a->part : NULL};
    report_canary(&a->name, &answer, host->report, host->context);
    host->no_result(host->context, &a->name);
}

static void (*const doings[])(struct slot *s, const struct slot_action *a) = {
    [SLOT_SPAWN] = do_spawn,
    [SLOT_KILL] = do_kill,
    [SLOT_RENDER] = do_render,
    [SLOT_STOP] = do_stop,
    [SLOT_SAVE] = do_save,
    [SLOT_WANT_PART] = do_want_part,
    [SLOT_STARTED] = do_started,
    [SLOT_PROGRESS] = do_progress,
    [SLOT_HANDED_BACK] = do_handed_back,
    [SLOT_PREEMPTED] = do_preempted,
    [SLOT_ENDED] = do_ended,
    [SLOT_FINISHED] = do_finished,
    [SLOT_SAVED] = do_saved,
    [SLOT_CANARY_FAILED] = do_canary_failed,
};

static void on_timer(uv_timer_t *timer)
{
    struct slot *s = timer->data;
    SLOT_EVENT(s, slot_core_tick(&s->core, now_ns, &actions));
}

static void set_timer(struct slot *s)
{
    int64_t at_ns = slot_core_deadline(&s->core), now_ns = clock_now_ns();
    if (s->closing) return;
    if (at_ns > now_ns + PULSE_NS) at_ns = now_ns + PULSE_NS;
    uv_update_time(s->loop);
    int64_t wait_ns = at_ns > now_ns ? at_ns - now_ns : 0;
    (void)uv_timer_start(&s->timer, on_timer, (uint64_t)(wait_ns / NS_PER_MS + 1), 0);
}

static void tell_spawn_failed(struct slot *s)
{
    s->spawn_failed = false;
    SLOT_EVENT(s, slot_core_exited(&s->core, "could not be started", now_ns, &actions));
}

static void tell_models_changed(struct slot *s)
{
    s->models_changed = false;
    SLOT_EVENT(s, slot_core_models_changed(&s->core, now_ns, &actions));
}

void slot_apply(struct slot *s, struct slot_actions *done)
{
    for (size_t i = 0; i < done->count; i++)
        doings[done->items[i].kind](s, &done->items[i]);
    if (s->spawn_failed) {
        tell_spawn_failed(s);
        return;
    }
    if (s->models_changed) {
        tell_models_changed(s);
        return;
    }
    set_timer(s);
    if (!s->closing && slot_core_is_idle(&s->core))
        s->options.host.changed(s->options.host.context, s);
}

/* ---- from the host ---- */

struct slot *slot_create(uv_loop_t *loop, const struct slot_options *options)
{
    struct slot *s = xcalloc(1, sizeof *s);
    s->options = *options;
    s->program = xstrdup(options->program);
    s->loop = loop;
    slot_core_init(&s->core, options->slots);
    ZOE_ASSERT(uv_timer_init(loop, &s->timer) == 0);
    s->timer.data = s;
    return s;
}

void slot_start(struct slot *s)
{
    SLOT_EVENT(s, slot_core_start(&s->core, now_ns, &actions));
}

void slot_assign(struct slot *s, struct slot_work *work, Farm__HandBackReason reason)
{
    SLOT_EVENT(s, slot_core_assign(&s->core, work, reason, now_ns, &actions));
}

void slot_part(struct slot *s, const struct digest *part, const char *path, const struct error *err)
{
    SLOT_EVENT(s, slot_core_part(&s->core, part, path, err, now_ns, &actions));
}

void slot_fetched(struct slot *s, const struct digest *part, uint64_t bytes)
{
    SLOT_EVENT(s, slot_core_fetched(&s->core, part, bytes, now_ns, &actions));
}

bool slot_cancel(struct slot *s, const struct attempt_name *name)
{
    bool held = false;
    SLOT_EVENT(s, held = slot_core_cancel(&s->core, name, now_ns, &actions));
    return held;
}

bool slot_recall(struct slot *s, const struct attempt_name *name)
{
    bool held = false;
    SLOT_EVENT(s, held = slot_core_recall(&s->core, name, now_ns, &actions));
    return held;
}

void slot_drain(struct slot *s)
{
    SLOT_EVENT(s, slot_core_drain(&s->core, now_ns, &actions));
}

void slot_leave(struct slot *s, int64_t leave_by_ns)
{
    SLOT_EVENT(s, slot_core_leave(&s->core, leave_by_ns, now_ns, &actions));
}

void slot_preempt(struct slot *s)
{
    SLOT_EVENT(s, slot_core_preempt(&s->core, now_ns, &actions));
}

void slot_overgrown(struct slot *s)
{
    SLOT_EVENT(s, slot_core_overgrown(&s->core, now_ns, &actions));
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct slot *s = handle->data;
    s->timer_closed = true;
    finish_close(s);
}

void slot_close(struct slot *s, void (*on_closed)(void *context), void *context)
{
    s->on_closed = on_closed;
    s->closed_context = context;
    s->closing = true;
    SLOT_EVENT(s, slot_core_close(&s->core, now_ns, &actions));
    uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

/* ---- questions ---- */

bool slot_is_idle(const struct slot *s)
{
    return slot_core_is_idle(&s->core);
}

const char *slot_fingerprint(const struct slot *s)
{
    return s->fingerprint;
}

const char *slot_backend(const struct slot *s)
{
    return s->backend;
}

int slot_engine_pid(const struct slot *s)
{
    return s->child ? child_pid(s->child) : 0;
}

size_t slot_held(const struct slot *s, struct slot_held out[2])
{
    return slot_core_held(&s->core, out);
}

void slot_add_results(const struct slot *s, struct room *room)
{
    slot_core_add_results(&s->core, room);
}

bool slot_needs(const struct slot *s, const struct digest *part)
{
    return slot_core_needs(&s->core, part);
}

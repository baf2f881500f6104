/* Every event goes the same way: into the core, then its actions are carried out in order, then the
 * timer is set to what the core waits for. */
#include "worker/slot.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "worker/child.h"
#include "worker/report.h"

struct slot {
    struct slot_options options;
    char *program;
    uv_loop_t *loop;
    uv_timer_t timer;
    struct slot_core core;
    struct child *child;
    char *last_log; /* of an engine that is gone */
    char *fingerprint;
    char *backend;
    bool spawn_failed;
    bool closing;
    bool timer_closed;
    void (*on_closed)(void *context);
    void *closed_context;
};

static void apply(struct slot *s, struct slot_actions *actions);

#define EVENT(s, call)                                                                             \
    do {                                                                                           \
        struct slot_actions actions = {.count = 0};                                                \
        int64_t now_ns = clock_now_ns();                                                           \
        (call);                                                                                    \
        apply((s), &actions);                                                                      \
    } while (0)

/* ---- what the engine says ---- */

static uint32_t number(const json_t *message, const char *key, int64_t limit)
{
    json_int_t value = json_integer_value(json_object_get(message, key));
    return value < 0 ? 0 : (uint32_t)(value > limit ? limit : value);
}

static const char *text_of(const json_t *message, const char *key)
{
    const char *text = json_string_value(json_object_get(message, key));
    return text ? text : "";
}

/* Names are ours: the engine repeats what it was given. */
static struct attempt_name named(const struct slot *s, const json_t *message)
{
    char text[ATTEMPT_NAME_TEXT_SIZE];
    struct attempt_name none = {.fence = 0};
    if (!s->core.running) return none;
    attempt_name_text(&s->core.running->name, text);
    return strcmp(text, text_of(message, "attempt")) == 0 ? s->core.running->name : none;
}

static void replace_text(char **text, const char *fresh)
{
    free(*text);
    *text = xstrdup(fresh);
}

static void hear_hello(struct slot *s, const json_t *message)
{
    replace_text(&s->fingerprint, text_of(message, "fingerprint"));
    replace_text(&s->backend, text_of(message, "backend"));
    EVENT(s, slot_core_hello(&s->core, now_ns, &actions));
    s->options.host.changed(s->options.host.context, s);
}

static void hear_loading(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    EVENT(s, slot_core_loading(&s->core, &name, now_ns, &actions));
}

static void hear_step(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    uint32_t done = number(message, "done", LIMIT_STEPS);
    uint32_t total = number(message, "total", LIMIT_STEPS);
    EVENT(s, slot_core_step(&s->core, &name, done, total, now_ns, &actions));
}

static void hear_frame(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    uint32_t done = number(message, "done", LIMIT_FRAMES);
    EVENT(s, slot_core_frame(&s->core, &name, done, now_ns, &actions));
}

static void hear_alive(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    double fraction = json_number_value(json_object_get(message, "fraction"));
    EVENT(s, slot_core_alive(&s->core, &name, fraction, now_ns, &actions));
}

static void hear_warning(struct slot *s, const json_t *message)
{
    (void)s;
    log_warn("%s: %s", text_of(message, "attempt"), text_of(message, "message"));
}

static bool read_done(const json_t *message, struct slot_result *r)
{
    json_int_t size = json_integer_value(json_object_get(message, "size_bytes"));
    json_int_t took = json_integer_value(json_object_get(message, "render_ms"));
    r->size_bytes = size > 0 ? (uint64_t)size : 0;
    r->render_ms = took > 0 ? (uint64_t)took : 0;
    r->frames = number(message, "frames", LIMIT_FRAMES);
    r->width = number(message, "width", LIMIT_SIDE);
    r->height = number(message, "height", LIMIT_SIDE);
    r->steps = number(message, "steps", LIMIT_STEPS);
    return size > 0 && size <= LIMIT_SEGMENT_BYTES &&
           digest_parse(text_of(message, "sha256"), &r->sha256) &&
           digest_parse(text_of(message, "frames_sha256"), &r->frames_sha256);
}

static void fail_named(struct slot *s, const struct attempt_name *name, enum error_code code,
                       const char *why, uint32_t steps)
{
    EVENT(s, slot_core_failed(&s->core, name, code, why, steps, now_ns, &actions));
}

static void hear_done(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    struct slot_result result;
    if (read_done(message, &result))
        EVENT(s, slot_core_done(&s->core, &name, &result, now_ns, &actions));
    else
        fail_named(s, &name, ERROR_FAILED, "the engine told of a result that cannot be", 0);
}

static void hear_failed(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    fail_named(s, &name, error_code_from_name(text_of(message, "code")),
               text_of(message, "message"), number(message, "steps", LIMIT_STEPS));
}

static const struct {
    const char *type;
    void (*hear)(struct slot *s, const json_t *message);
} hearings[] = {
    {"hello", hear_hello},   {"loading", hear_loading}, {"step", hear_step},
    {"frame", hear_frame},   {"alive", hear_alive},     {"done", hear_done},
    {"failed", hear_failed}, {"warning", hear_warning},
};

static void on_message(void *context, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    for (size_t i = 0; i < sizeof hearings / sizeof hearings[0]; i++)
        if (strcmp(hearings[i].type, type) == 0) {
            hearings[i].hear(context, message);
            return;
        }
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
    EVENT(s, slot_core_exited(&s->core, how, now_ns, &actions));
    if (!s->closing) s->options.host.changed(s->options.host.context, s);
    finish_close(s);
}

static void start_child(struct slot *s)
{
    struct error err = {0};
    struct child_options options = {.program = s->program,
                                    .threads = s->options.threads,
                                    .number = s->options.index,
                                    .on_message = on_message,
                                    .on_exit = on_exit_of_child,
                                    .context = s};
    s->child = child_start(s->loop, &options, &err);
    if (s->child) return;
    log_error("slot %d: %s", s->options.index, err.message);
    replace_text(&s->last_log, err.message);
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

/* Folders as assigned, strengths as the recipe has them. */
static json_t *loras_of(const struct slot_work *work, const json_t *recipe)
{
    json_t *loras = json_array();
    const json_t *named = json_object_get(recipe, "loras");
    for (size_t i = 1; i <= work->lora_count; i++) {
        const json_t *lora = json_array_get(named, i - 1);
        const double strength = json_number_value(json_object_get(lora, "strength"));
        json_array_append_new(
            loras, json_pack("{ss sf}", "path", work->models[i].folder, "strength", strength));
    }
    return loras;
}

static void do_render(struct slot *s, const struct slot_action *a)
{
    char name[ATTEMPT_NAME_TEXT_SIZE];
    const struct slot_work *work = a->work;
    attempt_name_text(&work->name, name);
    char *output = s->options.host.part_path(s->options.host.context, &work->name);
    json_t *recipe = json_parse(work->recipe, strlen(work->recipe), "recipe", NULL);
    json_t *fields = json_object();
    json_object_set_new(fields, "recipe", recipe);
    json_object_set_new(fields, "model", json_string(work->models[0].folder));
    if (work->lora_count > 0) json_object_set_new(fields, "loras", loras_of(work, recipe));
    if (work->init > 0)
        json_object_set_new(fields, "init", json_string(work->models[work->init].folder));
    if (work->mask > 0)
        json_object_set_new(fields, "mask", json_string(work->models[work->mask].folder));
    json_object_set_new(fields, "output", json_string(output));
    json_object_set_new(fields, "attempt", json_string(name));
    child_log_clear(s->child);
    child_send(s->child, "render", fields);
    free(output);
}

static void do_stop(struct slot *s, const struct slot_action *a)
{
    char name[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&a->name, name);
    if (s->child) child_send(s->child, "cancel", json_pack("{ss}", "attempt", name));
}

static void do_want_model(struct slot *s, const struct slot_action *a)
{
    s->options.host.want_model(s->options.host.context, &a->model);
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
    report_canary(&a->name, (uint32_t)s->options.index, NULL, s->fingerprint ? s->fingerprint : "",
                  a->message, host->report, host->context);
    host->no_result(host->context, &a->name);
}

static void (*const doings[])(struct slot *s, const struct slot_action *a) = {
    [SLOT_SPAWN] = do_spawn,
    [SLOT_KILL] = do_kill,
    [SLOT_RENDER] = do_render,
    [SLOT_STOP] = do_stop,
    [SLOT_WANT_MODEL] = do_want_model,
    [SLOT_STARTED] = do_started,
    [SLOT_PROGRESS] = do_progress,
    [SLOT_HANDED_BACK] = do_handed_back,
    [SLOT_ENDED] = do_ended,
    [SLOT_FINISHED] = do_finished,
    [SLOT_CANARY_FAILED] = do_canary_failed,
};

static void on_timer(uv_timer_t *timer)
{
    struct slot *s = timer->data;
    EVENT(s, slot_core_tick(&s->core, now_ns, &actions));
}

static void set_timer(struct slot *s)
{
    int64_t at_ns = slot_core_deadline(&s->core), now_ns = clock_now_ns();
    if (s->closing) return;
    if (at_ns == INT64_MAX) {
        (void)uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(s->loop);
    int64_t wait_ns = at_ns > now_ns ? at_ns - now_ns : 0;
    (void)uv_timer_start(&s->timer, on_timer, (uint64_t)(wait_ns / NS_PER_MS + 1), 0);
}

static void tell_spawn_failed(struct slot *s)
{
    s->spawn_failed = false;
    EVENT(s, slot_core_exited(&s->core, "could not be started", now_ns, &actions));
}

static void apply(struct slot *s, struct slot_actions *done)
{
    for (size_t i = 0; i < done->count; i++)
        doings[done->items[i].kind](s, &done->items[i]);
    if (s->spawn_failed) {
        tell_spawn_failed(s);
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
    slot_core_init(&s->core);
    ZOE_ASSERT(uv_timer_init(loop, &s->timer) == 0);
    s->timer.data = s;
    return s;
}

void slot_start(struct slot *s)
{
    EVENT(s, slot_core_start(&s->core, now_ns, &actions));
}

void slot_assign(struct slot *s, struct slot_work *work, Farm__HandBackReason reason)
{
    EVENT(s, slot_core_assign(&s->core, work, reason, now_ns, &actions));
}

void slot_model(struct slot *s, const struct digest *model, const char *folder, const char *message)
{
    EVENT(s, slot_core_model(&s->core, model, folder, message, now_ns, &actions));
}

void slot_fetched(struct slot *s, const struct digest *model, uint64_t bytes)
{
    EVENT(s, slot_core_fetched(&s->core, model, bytes, now_ns, &actions));
}

bool slot_cancel(struct slot *s, const struct attempt_name *name)
{
    bool held = false;
    EVENT(s, held = slot_core_cancel(&s->core, name, now_ns, &actions));
    return held;
}

bool slot_recall(struct slot *s, const struct attempt_name *name)
{
    bool held = false;
    EVENT(s, held = slot_core_recall(&s->core, name, now_ns, &actions));
    return held;
}

void slot_drain(struct slot *s)
{
    EVENT(s, slot_core_drain(&s->core, now_ns, &actions));
}

void slot_preempt(struct slot *s)
{
    EVENT(s, slot_core_preempt(&s->core, now_ns, &actions));
}

void slot_overgrown(struct slot *s)
{
    EVENT(s, slot_core_overgrown(&s->core, now_ns, &actions));
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
    EVENT(s, slot_core_close(&s->core, now_ns, &actions));
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

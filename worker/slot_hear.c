/* What the engine says, as events of the core. Nothing in it is believed that could not be. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "worker/slot_parts.h"

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

static uint64_t size_of(const json_t *object, uint64_t most)
{
    const json_int_t size = json_integer_value(json_object_get(object, "size_bytes"));
    return size > 0 && (uint64_t)size <= most ? (uint64_t)size : 0;
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
    SLOT_EVENT(s, slot_core_hello(&s->core, now_ns, &actions));
    s->options.host.changed(s->options.host.context, s);
}

static void hear_loading(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    SLOT_EVENT(s, slot_core_loading(&s->core, &name, now_ns, &actions));
}

static void hear_step(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    uint32_t done = number(message, "done", LIMIT_STEPS);
    uint32_t total = number(message, "total", LIMIT_STEPS);
    SLOT_EVENT(s, slot_core_step(&s->core, &name, done, total, now_ns, &actions));
}

static void hear_begun(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    uint32_t step = number(message, "step", LIMIT_STEPS);
    uint32_t total = number(message, "total", LIMIT_STEPS);
    SLOT_EVENT(s, slot_core_begun(&s->core, &name, step, total, now_ns, &actions));
}

static bool read_saved(const json_t *message, struct slot_saved *saved)
{
    const json_int_t took = json_integer_value(json_object_get(message, "us"));
    saved->step = number(message, "step", LIMIT_STEPS);
    saved->steps = number(message, "total", LIMIT_STEPS);
    saved->size_bytes = size_of(message, LIMIT_LATENTS_BYTES);
    saved->took_ns = took > 0 && took < INT64_MAX / 1000 ? took * 1000 : 0;
    return saved->size_bytes > 0 && digest_parse(text_of(message, "sha256"), &saved->sha256);
}

static void hear_saved(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    struct slot_saved saved;
    const bool ok = read_saved(message, &saved);
    SLOT_EVENT(s, slot_core_saved(&s->core, &name, ok ? &saved : NULL, now_ns, &actions));
}

static void hear_frame(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    uint32_t done = number(message, "done", LIMIT_FRAMES);
    SLOT_EVENT(s, slot_core_frame(&s->core, &name, done, now_ns, &actions));
}

static void hear_alive(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    double fraction = json_number_value(json_object_get(message, "fraction"));
    SLOT_EVENT(s, slot_core_alive(&s->core, &name, fraction, now_ns, &actions));
}

static void hear_warning(struct slot *s, const json_t *message)
{
    (void)s;
    log_warn("%s: %s", text_of(message, "attempt"), text_of(message, "message"));
}

static void hear_idle(struct slot *s, const json_t *message)
{
    log_debug("slot %d: the engine waited %lld us for work", s->options.index,
              (long long)json_integer_value(json_object_get(message, "us")));
}

static bool read_output(const json_t *object, struct slot_output *o)
{
    o->size_bytes = size_of(object, LIMIT_SEGMENT_BYTES);
    o->frames = number(object, "frames", LIMIT_FRAMES);
    o->width = number(object, "width", LIMIT_SIDE);
    o->height = number(object, "height", LIMIT_SIDE);
    return o->size_bytes > 0 && slot_output_find(text_of(object, "kind"), &o->kind) &&
           digest_parse(text_of(object, "sha256"), &o->sha256) &&
           (!slot_output_has_frames(o->kind) ||
            digest_parse(text_of(object, "frames_sha256"), &o->frames_sha256));
}

/* Just what was asked for, in the order of the kinds. */
static bool read_outputs(const json_t *outputs, const struct slot_work *work, struct slot_result *r)
{
    for (int kind = 0; kind < SLOT_OUTPUT_KINDS; kind++) {
        struct slot_output *o = &r->outputs[r->output_count];
        if (!work->makes[kind]) continue;
        if (!read_output(json_array_get(outputs, r->output_count), o) || (int)o->kind != kind)
            return false;
        r->output_count++;
    }
    return r->output_count > 0 && json_array_size(outputs) == r->output_count;
}

static bool read_done(const json_t *message, const struct slot_work *work, struct slot_result *r)
{
    const json_int_t took = json_integer_value(json_object_get(message, "render_ms"));
    memset(r, 0, sizeof *r);
    r->render_ms = took > 0 ? (uint64_t)took : 0;
    r->steps = number(message, "steps", LIMIT_STEPS);
    return read_outputs(json_object_get(message, "outputs"), work, r);
}

static void fail_named(struct slot *s, const struct attempt_name *name, enum error_code code,
                       const char *why, uint32_t steps)
{
    SLOT_EVENT(s, slot_core_failed(&s->core, name, code, why, steps, now_ns, &actions));
}

static void hear_done(struct slot *s, const json_t *message)
{
    struct attempt_name name = named(s, message);
    struct slot_result result;
    if (!s->core.running) return;
    if (read_done(message, s->core.running, &result))
        SLOT_EVENT(s, slot_core_done(&s->core, &name, &result, now_ns, &actions));
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
    {"hello", hear_hello},   {"loading", hear_loading}, {"begun", hear_begun}, {"step", hear_step},
    {"frame", hear_frame},   {"alive", hear_alive},     {"saved", hear_saved}, {"done", hear_done},
    {"failed", hear_failed}, {"warning", hear_warning}, {"idle", hear_idle},
};

void slot_hear(void *context, const json_t *message)
{
    const char *type = json_string_value(json_object_get(message, "type"));
    for (size_t i = 0; i < sizeof hearings / sizeof hearings[0]; i++)
        if (strcmp(hearings[i].type, type) == 0) {
            hearings[i].hear(context, message);
            return;
        }
}

/* slot_parts: what the files of slot share; nobody else includes it. */
#ifndef ZOE_WORKER_SLOT_PARTS_H
#define ZOE_WORKER_SLOT_PARTS_H

#include "worker/child.h"
#include "worker/slot.h"

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
    int64_t looked_ns; /* at its last event */
    bool spawn_failed;
    bool models_changed; /* of what was to be rendered */
    bool closing;
    bool timer_closed;
    void (*on_closed)(void *context);
    void *closed_context;
};

/* Now. When nobody looked for much longer than should be, the core is told. */
int64_t slot_look(struct slot *s);
/* Carries them out. */
void slot_apply(struct slot *s, struct slot_actions *actions);

#define SLOT_EVENT(s, call)                                                                        \
    do {                                                                                           \
        struct slot_actions actions = {.count = 0};                                                \
        int64_t now_ns = slot_look((s));                                                           \
        (call);                                                                                    \
        slot_apply((s), &actions);                                                                 \
    } while (0)

/* What the engine says; `context` is the slot. */
void slot_hear(void *context, const json_t *message);
/* The fields of a render message; new reference. */
json_t *slot_render_fields(const struct slot *s, const struct slot_work *work,
                           const char *signature);

#endif

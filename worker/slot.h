/* slot: one place where attempts run: the shell of slot_core. It owns the engine process, its
 * messages and its timer; what concerns the coordinator, the models and the outbox goes to its
 * host. Loop thread only. */
#ifndef ZOE_WORKER_SLOT_H
#define ZOE_WORKER_SLOT_H

#include <uv.h>

#include "worker/slot_core.h"

struct slot;

struct slot_host {
    void *context;
    /* A report that must not be lost (Started, HandedBack, Ended, CanaryDone), about `name`. */
    void (*report)(void *context, const struct attempt_name *name, Farm__Envelope *envelope);
    void (*progress)(void *context, Farm__Envelope *envelope);
    /* Answer with slot_model, later than within this call. */
    void (*want_model)(void *context, const struct digest *model);
    /* The segment stands in the part file. `work` is the host's now. */
    void (*finished)(void *context, struct slot *slot, struct slot_work *work,
                     const struct slot_result *result);
    char *(*part_path)(void *context, const struct attempt_name *name); /* caller frees */
    void (*no_result)(void *context, const struct attempt_name *name);  /* its part file may go */
    void (*changed)(void *context, struct slot *slot); /* ready, idle, or its engine is gone */
};

struct slot_options {
    const char *program; /* path of zoe-engine */
    int index;
    int threads;
    struct slot_host host;
};

struct slot *slot_create(uv_loop_t *loop, const struct slot_options *options);
void slot_start(struct slot *s); /* its engine */

/* As in slot_core.h. */
void slot_assign(struct slot *s, struct slot_work *work, Farm__HandBackReason reason);
void slot_model(struct slot *s, const struct digest *model, const char *folder,
                const char *message);
void slot_fetched(struct slot *s, const struct digest *model, uint64_t bytes);
bool slot_cancel(struct slot *s, const struct attempt_name *name);
bool slot_recall(struct slot *s, const struct attempt_name *name);
void slot_drain(struct slot *s);
void slot_preempt(struct slot *s);
void slot_overgrown(struct slot *s);

/* Kills the engine; memory goes when everything is closed. `on_closed` comes from the loop. */
void slot_close(struct slot *s, void (*on_closed)(void *context), void *context);

bool slot_is_idle(const struct slot *s);
const char *slot_fingerprint(const struct slot *s); /* NULL until its first engine said hello */
const char *slot_backend(const struct slot *s);
int slot_engine_pid(const struct slot *s); /* 0 = none */
size_t slot_held(const struct slot *s, struct slot_held out[2]);

#endif

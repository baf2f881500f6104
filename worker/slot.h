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
    /* Answer with slot_part, later than within this call. */
    void (*want_part)(void *context, const struct digest *part);
    /* What the files of its models are, in one text that changes with them. False: they are not any
     * more those that were found. */
    bool (*sign_models)(void *context, const struct slot_work *work, char out[DIGEST_TEXT_SIZE]);
    /* What it made stands in the part files. `work` is the host's now. */
    void (*finished)(void *context, struct slot *slot, struct slot_work *work,
                     const struct slot_result *result);
    /* Where the engine writes; caller frees. */
    char *(*part_path)(void *context, const struct attempt_name *name, enum slot_output_kind kind);
    char *(*save_path)(void *context, const struct attempt_name *name);
    /* A checkpoint stands in that file. */
    void (*saved)(void *context, struct slot *slot, const struct slot_work *work,
                  const struct slot_saved *saved);
    /* It had to stop: with what was saved of it, it goes back. */
    void (*preempted)(void *context, const struct attempt_name *name, const char *message);
    void (*no_result)(void *context, const struct attempt_name *name); /* its files may go */
    void (*changed)(void *context, struct slot *slot); /* ready, idle, or its engine is gone */
};

struct slot_options {
    const char *program; /* path of zoe-engine */
    int index;
    int threads;
    unsigned slots; /* of this worker: they share what checkpoints may cost; 0 = none are made */
    struct slot_host host;
};

struct slot *slot_create(uv_loop_t *loop, const struct slot_options *options);
void slot_start(struct slot *s); /* its engine */

/* As in slot_core.h. */
void slot_assign(struct slot *s, struct slot_work *work, Farm__HandBackReason reason);
void slot_part(struct slot *s, const struct digest *part, const char *path,
               const struct error *err);
void slot_fetched(struct slot *s, const struct digest *part, uint64_t bytes);
bool slot_cancel(struct slot *s, const struct attempt_name *name);
bool slot_recall(struct slot *s, const struct attempt_name *name);
void slot_drain(struct slot *s);
void slot_leave(struct slot *s, int64_t leave_by_ns);
void slot_preempt(struct slot *s);
void slot_overgrown(struct slot *s);

/* Kills the engine; memory goes when everything is closed. `on_closed` comes from the loop. */
void slot_close(struct slot *s, void (*on_closed)(void *context), void *context);

bool slot_is_idle(const struct slot *s);
const char *slot_fingerprint(const struct slot *s); /* NULL until its first engine said hello */
const char *slot_backend(const struct slot *s);
int slot_engine_pid(const struct slot *s); /* 0 = none */
size_t slot_held(const struct slot *s, struct slot_held out[2]);
void slot_add_results(const struct slot *s, struct room *room);
bool slot_needs(const struct slot *s, const struct digest *part);

#endif

/* worker: a machine of the farm: it owns the loop's modules (link, bulk, outbox, models, slots),
 * routes what each says to the others, and knows when to leave (W6, W7). Loop thread only. */
#ifndef ZOE_WORKER_WORKER_H
#define ZOE_WORKER_WORKER_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "proto/keys.h"

struct worker;

struct worker_options { /* all borrowed for life */
    const char *url;
    uint8_t server_key[KEY_BYTES];
    const char *state_folder; /* locked by the caller */
    const struct key_pair *keys;
    const char *engine; /* path of zoe-engine */
    const char *media;  /* path of zoe-media */
    int slots;
    int threads;           /* a slot; 0 = cores / slots */
    uint64_t memory_bytes; /* of all engines together; 0 = what the machine has */
    int64_t grace_ns;
    int64_t leave_after_ns; /* 0 = never */
    bool no_checkpoints;    /* what runs is never saved half-finished */
    const char *const *model_folders;
    size_t model_folder_count;
    void *zmq_context;
};

struct worker *worker_create(uv_loop_t *loop, const struct worker_options *options,
                             struct error *err);

/* SIGTERM: leave within the grace. A second one: leave now. Everything is closed when the loop has
 * nothing left to do. */
void worker_stop(struct worker *w);

/* After the loop ended: frees, and says with which code to exit. */
int worker_finish(struct worker *w);

#endif

/* child: one engine process (`zoe-engine serve`) with its three pipes: framed messages both ways
 * (worker/pipe.h), and stderr, whose last 64 KiB are kept as the log of the attempt (E1).
 *
 * Loop thread only. The child dies with this process (it asks the kernel for that). */
#ifndef ZOE_WORKER_CHILD_H
#define ZOE_WORKER_CHILD_H

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

#define CHILD_LOG_BYTES (64 * 1024)

struct child;

struct child_options {
    const char *program; /* path of zoe-engine */
    int threads;
    int number;                                               /* of the slot, for our own log */
    void (*on_message)(void *context, const json_t *message); /* borrowed */
    /* It is gone and everything it said was delivered. The child is freed after the call; child_log
     * still works within it. `how`: "was killed by signal 9 (Killed)", "exited with code 3". */
    void (*on_exit)(void *context, const char *how);
    void *context;
};

/* NULL when it cannot be started; then on_exit is not called. */
struct child *child_start(uv_loop_t *loop, const struct child_options *options, struct error *err);
/* Takes the reference of `fields`. A child that cannot take it any more will exit. */
void child_send(struct child *c, const char *type, json_t *fields);
void child_kill(struct child *c); /* SIGKILL; on_exit follows */
int child_pid(const struct child *c);

/* What it wrote on stderr since child_log_clear, at most `limit_bytes` of the end, fit for the
 * wire. Caller frees. */
char *child_log(struct child *c, size_t limit_bytes);
void child_log_clear(struct child *c);

#endif

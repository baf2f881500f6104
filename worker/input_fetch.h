/* input_fetch: brings one file that a recipe starts from, by digest, from the coordinator over the
 * bulk connection, in pieces of 256 KiB, eight under way. It is written to PATH.part, which is kept
 * over lost connections and restarts; when all is there it is hashed and synced on a pool thread
 * and renamed to PATH. One file at a time. Loop thread only. */
#ifndef ZOE_WORKER_INPUT_FETCH_H
#define ZOE_WORKER_INPUT_FETCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/buf.h"
#include "base/digest.h"
#include "proto/message.h"

struct input_fetch;

struct input_fetch_host {
    void *context;
    /* Over the bulk connection, opened when need be. False: not now, input_fetch_ready follows. */
    bool (*ask)(void *context, Farm__Envelope *envelope);
    void (*progress)(void *context, uint64_t bytes);
    uint64_t (*spare_bytes)(void *context); /* what the disk must have left beside it */
    /* err NULL: it stands at its path. Another fetch may be started from within. */
    void (*done)(void *context, const struct error *err);
};

struct input_fetch *input_fetch_create(uv_loop_t *loop, const struct input_fetch_host *host);
/* `done` never runs; the memory goes when the loop has closed everything. */
void input_fetch_close(struct input_fetch *f);

void input_fetch_start(struct input_fetch *f, const struct digest *digest, const char *path);
bool input_fetch_is_busy(const struct input_fetch *f); /* waits for bytes */

void input_fetch_data(struct input_fetch *f, const Farm__FileData *data, struct bytes payload);
void input_fetch_problem(struct input_fetch *f, uint64_t request, const Farm__Problem *problem);
void input_fetch_ready(struct input_fetch *f); /* the bulk connection is there (again) */
void input_fetch_lost(struct input_fetch *f);

#endif

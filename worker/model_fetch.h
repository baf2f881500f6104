/* model_fetch: brings a model that is not on this machine from the coordinator, over the bulk
 * connection: the list of its files, then each file in pieces of 256 KiB, eight under way. Pieces
 * are written to STATE/models/DIGEST.part; what stands there is kept over lost connections and
 * restarts. When all is there it is hashed and synced on a pool thread, and renamed. One model at a
 * time. Loop thread only. */
#ifndef ZOE_WORKER_MODEL_FETCH_H
#define ZOE_WORKER_MODEL_FETCH_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"
#include "proto/message.h"

struct model_fetch;

struct model_fetch_host {
    void *context;
    /* Over the bulk connection, opened when need be. False: not now, model_fetch_ready follows. */
    bool (*ask)(void *context, Farm__Envelope *envelope);
    char *(*place)(void *context, const struct digest *digest); /* caller frees */
    uint64_t (*spare_bytes)(void *context); /* what the disk must have left beside it */
    /* Removes so many bytes that nobody needs; false: there are not so many. */
    bool (*make_room)(void *context, uint64_t bytes);
    void (*progress)(void *context, const struct digest *digest, uint64_t bytes);
    /* folder NULL: it cannot be had, err says why. */
    void (*done)(void *context, const struct digest *digest, const char *folder,
                 const struct error *err);
};

struct model_fetch *model_fetch_create(uv_loop_t *loop, const struct model_fetch_host *host);
void model_fetch_close(struct model_fetch *f, void (*on_closed)(void *context), void *context);

void model_fetch_want(struct model_fetch *f, const struct digest *digest); /* again is fine */
void model_fetch_files(struct model_fetch *f, const Farm__ModelFiles *files);
void model_fetch_data(struct model_fetch *f, const Farm__FileData *data, struct bytes payload);
void model_fetch_problem(struct model_fetch *f, uint64_t request, const Farm__Problem *problem);

void model_fetch_ready(struct model_fetch *f); /* the bulk connection is there (again) */
void model_fetch_lost(struct model_fetch *f);
bool model_fetch_is_busy(const struct model_fetch *f); /* waits for bytes */
bool model_fetch_wants(const struct model_fetch *f, const struct digest *digest);

#endif

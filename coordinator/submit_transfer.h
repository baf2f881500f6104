/* submit_transfer: a submission on its way in (lifecycle B1): opened by key, credited chunks into a
 * temporary file, checked on a pool thread, accepted whole or not at all.
 *
 * One transfer per (owner, key), resumable for ten minutes by opening it again. Whoever opens a key
 * that is on its way with the same content joins it (the newest sends, all get the answer); with
 * other content it waits for the first one's end. An empty key becomes a hash of content and owner.
 * Content = the file's bytes, the format, the options as sent, name and priority.
 *
 * After the check everything stands on disk (the prompts file, RENDERS/.tmp-ID): the caller commits
 * the batch's rows, then calls submit_transfer_accepted, which places the folder and answers. Loop
 * thread only; knows no sockets and no store: it asks and answers through callbacks. */
#ifndef ZOE_COORDINATOR_SUBMIT_TRANSFER_H
#define ZOE_COORDINATOR_SUBMIT_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/id.h"
#include "coordinator/publish.h"
#include "coordinator/submit_request.h"
#include "proto/limits.h"

struct models;

#define SUBMIT_CROWD_MAX 64            /* who waits for one transfer, in one way or the other */
#define SUBMIT_STALL_NS (5 * NS_PER_S) /* a silent sender yields to another opener */

struct submit_answer { /* borrowed during the call */
    uint64_t client, request;
    const struct error *err; /* NULL = accepted */
    const struct submit_problem *problems;
    uint32_t problem_count;
    const char *batch; /* "" for a dry run */
    const char *folder;
    const char *key;
    uint64_t prompts, clips;
    bool existed;
    const struct submit_result *plans; /* of a dry run: what would be rendered; else NULL */
    char *const *warnings;
    uint32_t warning_count;
};

struct submit_transfer;
struct submit_ready { /* a checked submission; borrowed until accepted or failed */
    struct submit_transfer *transfer;
    char batch[ID_BATCH_SIZE];
    char folder[PUBLISH_FOLDER_SIZE];
    const char *owner, *name, *key;
    bool sees_all; /* as in submit_request */
    bool default_key;
    struct digest content;
    int priority;
    int64_t submitted_ms; /* wall; the same as in batch.json */
    const char *options;
    const struct submit_result *result;
};

struct submit_known { /* an earlier batch with the key */
    char batch[ID_BATCH_SIZE];
    char folder[PUBLISH_FOLDER_SIZE];
    struct digest content;
    uint64_t prompts, clips;
};

struct submit_callbacks {
    void *context;
    /* The newest batch of owner and key; for a default key none that failed, was canceled or
     * removed. ERROR_NOT_FOUND: there is none; any other error: it cannot be told. */
    bool (*known)(void *context, const char *owner, const char *key, bool default_key,
                  struct submit_known *out, struct error *err);
    /* D3, D1: how many of `wanted` bytes may come to this owner, from the farm's pool; 0 = none
     * now, asked again at a tick. `for_good`: they will be kept. give_back: so many came, or will
     * not come. */
    uint64_t (*borrow)(void *context, const char *owner, uint64_t wanted_bytes, bool for_good);
    void (*give_back)(void *context, const char *owner, uint64_t size_bytes);
    /* True when no batch, living or removed, has this id. */
    bool (*id_is_free)(void *context, const char *batch);
    void (*credit)(void *context, uint64_t client, uint64_t request, const char *key,
                   uint64_t offset, uint64_t size_bytes);
    /* Add the batch to memory and store in this turn; after the commit call
     * submit_transfer_accepted, else submit_transfer_failed. */
    void (*accept)(void *context, const struct submit_ready *ready);
    void (*answer)(void *context, const struct submit_answer *answer);
};

struct submit_options {
    const char *incoming; /* STATE/incoming: emptied at the start */
    const char *prompts;  /* STATE/prompts */
    const char *renders;  /* STATE/renders */
};

struct submit_transfers;
struct submit_transfers *submit_transfers_create(uv_loop_t *loop,
                                                 const struct submit_options *options,
                                                 struct models *models,
                                                 const struct submit_callbacks *callbacks,
                                                 struct error *err);
/* Ends all of them without an answer. A check on its way is waited for in the background: run the
 * loop until it is empty. */
void submit_transfers_destroy(struct submit_transfers *s);
int submit_transfers_count(const struct submit_transfers *s);

/* Answers at once (known, refused), or grants credit, or waits. */
void submit_transfers_open(struct submit_transfers *s, const struct submit_request *request,
                           int64_t now_ns);
/* A chunk of the transfer `key` of this owner; one that fits no transfer is ignored. False with
 * ERROR_INVALID when it breaks the rules (not granted). */
bool submit_transfers_chunk(struct submit_transfers *s, uint64_t client, const char *owner,
                            const char *key, uint64_t offset, const void *data, size_t size_bytes,
                            int64_t now_ns, struct error *err);
/* The session ended: nobody to answer there. */
void submit_transfers_gone(struct submit_transfers *s, uint64_t client);
/* The key is not allowed any more: nothing that it opened goes on, and nobody is told. What another
 * key of the owner has opened, too, goes on for that one. One that waits for its commit was
 * accepted before. */
void submit_transfers_expel(struct submit_transfers *s, const uint8_t key[KEY_BYTES],
                            int64_t now_ns);
/* Expires and rotates; about once a second. */
void submit_transfers_tick(struct submit_transfers *s, int64_t now_ns);

/* Before the commit: Accepted will warn of it. */
void submit_transfer_warn(struct submit_transfer *transfer, const char *text);
/* After it: places the batch's folder and answers everybody. */
void submit_transfer_accepted(struct submit_transfers *s, struct submit_transfer *t);
/* The commit failed: everything prepared is removed, everybody is told. */
void submit_transfer_failed(struct submit_transfers *s, struct submit_transfer *t,
                            const struct error *err);

#endif

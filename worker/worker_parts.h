/* worker_parts: what the files of worker share; nobody else includes it. */
#ifndef ZOE_WORKER_WORKER_PARTS_H
#define ZOE_WORKER_WORKER_PARTS_H

#include "worker/bulk.h"
#include "worker/checkpoint_box.h"
#include "worker/input_pool.h"
#include "worker/link.h"
#include "worker/model_cache.h"
#include "worker/model_fetch.h"
#include "worker/outbox.h"
#include "worker/probe.h"
#include "worker/room.h"
#include "worker/slot.h"
#include "worker/upload.h"
#include "worker/worker.h"

struct worker {
    struct worker_options options;
    uv_loop_t *loop;
    struct probe probe;
    struct outbox outbox;
    struct link *link; /* NULL until every slot's engine said what it is */
    struct bulk *bulk;
    struct upload *upload;
    struct checkpoint_box *checkpoints;
    struct model_cache *cache;
    struct model_fetch *fetch;
    struct input_pool *inputs; /* NULL once it was closed */
    struct slot **slots;
    size_t slot_count;
    int threads;
    uv_timer_t timer;
    bool draining;
    bool over;    /* the grace is over: what ran was killed */
    bool stopped; /* asked to stop */
    bool hurried; /* asked to stop twice: nobody waits for checkpoints any more */
    bool closing;
    int64_t leave_by_ns; /* draining: INT64_MAX = when all is done */
    int exit_code;
};

/* ---- slots (worker_slots.c) ---- */

struct slot_host worker_slot_host(struct worker *w);
/* A report that must not be lost; as report_send. */
void worker_report(void *context, const struct attempt_name *name, Farm__Envelope *envelope);
/* What was saved of an attempt that had to stop is at the coordinator, or never will be. */
void worker_left(void *context, const struct attempt_name *name);

/* ---- models and inputs (worker_models.c) ---- */

void worker_want_part(void *context, const struct digest *part);
bool worker_sign_models(void *context, const struct slot_work *work, char out[DIGEST_TEXT_SIZE]);
struct model_fetch_host worker_fetch_host(struct worker *w);
struct input_pool_options worker_input_options(struct worker *w);

/* ---- messages (worker_messages.c, worker_assign.c) ---- */

void worker_take(void *context, const struct message *message);
void worker_assign(struct worker *w, const Farm__Assign *assign);

/* ---- truth (worker_tell.c) ---- */

void worker_tell(void *context, struct truth *truth);
uint64_t worker_slot_share(const struct worker *w); /* memory, in bytes */
struct room worker_held(const struct worker *w);    /* by its slots */

/* ---- life (worker.c) ---- */

/* A slot may be: dials when all are. */
void worker_ready(struct worker *w);

/* ---- leaving (worker_leave.c) ---- */

/* Is it time to go? */
void worker_look(struct worker *w);
/* INT64_MAX: when all is done. */
void worker_drain(struct worker *w, const char *why, int64_t leave_by_ns);
/* Without a coordinator for too long (W7). */
void worker_check_alone(struct worker *w);
void worker_finish_now(struct worker *w, int exit_code);

#endif

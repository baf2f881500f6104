/* farm_state: what the files of the pure core share. Nobody else includes it.
 *
 * The machines, each a noun with its own file: batch, clip, task, attempt (with its lease), worker
 * (with its canary), offer (with its upload), finish (stitching and publishing), retry, schedule,
 * credit. They call one another and append to f->effects; farm.c only opens the door. */
#ifndef ZOE_COORDINATOR_FARM_STATE_H
#define ZOE_COORDINATOR_FARM_STATE_H

#include "base/table.h"
#include "coordinator/chain.h"
#include "coordinator/deadline.h"
#include "coordinator/farm.h"
#include "coordinator/roster.h"

struct batch;
struct worker;

struct farm {
    struct farm_config config;
    struct effects effects;
    int64_t wall_ms;      /* display only */
    int64_t last_turn_ns; /* INT64_MIN before the first */
    int64_t expected_ns;  /* when the next turn was due at the latest (L4) */

    struct table batches;  /* id -> struct batch */
    struct batch **order;  /* by submit order */
    size_t order_capacity; /* order holds batches.count */
    struct table lanes;    /* shape -> struct lane; they stay */
    struct chain ready;    /* lanes with ready groups */
    struct table owners;   /* name -> struct owner; they stay */
    struct table canaries; /* model -> struct model_canary; they stay */

    struct table workers; /* name -> struct worker; they stay */
    struct worker **crew; /* by first appearance; holds workers.count */
    size_t crew_capacity;
    struct roster roster;
    struct table sessions; /* current epoch -> struct worker */
    uint64_t last_session;
    uint64_t last_canary;
    uint64_t marks; /* of lists by which workers tell what they hold */

    struct deadline_queue leases;       /* stands while the disk is low, forgives jumps */
    struct deadline_queue sessions_due; /* forgives jumps */
    struct deadline_queue timers;       /* retries: plain */

    struct chain transfers; /* uploads under credit: checkpoints of who leaves, oldest offer */
    struct chain spare;     /* other checkpoints: what is left is for them */
    uint64_t credit_bytes;  /* left in the pool */

    struct chain pinned;   /* works of which something is stored and something is to do ... */
    struct chain repinned; /* ... and of these, those that changed since the last turn */
    bool pins_wanted;      /* their fingerprints may have come or gone (S7) */

    struct chain hazards; /* tasks that may kill their worker (T5) */

    struct chain disputed; /* tasks that T4 may fail when workers or canaries change */
    bool settle_wanted;
    bool dispatch_wanted; /* there may be work for slots that found none; see roster.h too */
    struct deadline look; /* for attempts that take too long (S4) ... */
    bool look_wanted;     /* ... now */
    uint32_t copies;      /* attempts that live beside another of their task (S4) */
    uint32_t opinions;    /* tasks that wait for a second one */

    uint64_t disk_free_bytes;
    bool disk_low;
    uint64_t stitch_bytes; /* of stored outputs whose clip is not published */

    struct clip_counts counts;
    uint64_t batches_unfinished;
    uint64_t attempts_lost;
    uint64_t offers_dropped;
    uint64_t random;
};

/* A number below `bound` (> 0) from the farm's own seed. */
uint64_t farm_random(struct farm *f, uint64_t bound);
/* An event for people; clip < 0 = none, NULL texts = none. */
void farm_event(struct farm *f, const char *kind, const char *batch, int64_t clip,
                const char *worker, const char *message);

#endif

/* feed: clients that wait for events. A question is answered as soon as there is an event for it,
 * at the latest when its time is over; the cursor in the answer resumes without loss. Loop thread.
 */
#ifndef ZOE_COORDINATOR_FEED_H
#define ZOE_COORDINATOR_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "coordinator/outbound.h"
#include "coordinator/store.h"
#include "proto/limits.h"

struct feed_waiter;
struct feed {
    struct feed_waiter *waiters;
    uint32_t count;
};

#define FEED_WAITERS_MAX 4096

struct feed_question {
    zsock_peer peer;
    uint64_t request;
    uint64_t after;                   /* last sequence seen */
    char batch[ID_BATCH_SIZE];        /* "" = all */
    char owner[LIMIT_NAME_BYTES + 1]; /* only of his batches; "" = of all */
    uint32_t limit;                   /* 1 .. LIMIT_PAGE */
    int64_t deadline_ns;
};

void feed_init(struct feed *f);
void feed_finish(struct feed *f);

/* Answers at once or keeps the question. The same request again replaces it. */
void feed_ask(struct feed *f, const struct feed_question *q, struct store *store,
              struct outbound *out, int64_t now_ns);
/* An event was written: of a batch and its owner, or "" for one that belongs to none. */
void feed_note(struct feed *f, const char *batch, const char *owner);
/* Answers whoever a noted event concerns and whose time is over. */
void feed_answer(struct feed *f, struct store *store, struct outbound *out, int64_t now_ns);
void feed_gone(struct feed *f, zsock_peer peer);
int64_t feed_next(const struct feed *f); /* INT64_MAX when nobody waits */

#endif

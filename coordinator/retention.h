/* retention: batches that ended long enough ago are removed, with files and rows (`--keep`, `zoe
 * batch keep`). Wall time, for it is people's: a clock that jumps forward removes early what would
 * go anyway, and never what still runs. One batch at a time, a moment between two, so that nothing
 * waits for it. Loop thread. */
#ifndef ZOE_COORDINATOR_RETENTION_H
#define ZOE_COORDINATOR_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/table.h"

struct coordinator;
struct batch_info;

struct retention {
    struct table keeps; /* batch -> int64_t seconds: those with an own time */
    int64_t shortest_s; /* of all times that were said; 0 = none */
    int64_t due_ns;     /* the next look */
    uint64_t cursor;    /* batch in submit order at which it goes on */
    bool cleaning;      /* rows of removed batches are left, */
    int64_t clean_ns;   /* some of which go then */
};

void retention_init(struct retention *r);
void retention_finish(struct retention *r);
/* Memory is what the database says. */
bool retention_load(struct coordinator *c, struct error *err);
/* What is being removed as the database says goes on: at the start, and after a commit that failed,
 * with which the word that the files are gone may have been lost. */
bool retention_resume(struct coordinator *c, struct error *err);

/* False: it was so already. */
bool retention_keep(struct coordinator *c, const char *batch, int64_t keep_s);
/* Wall; when the batch goes; 0 = never, or not known before it ends. */
int64_t retention_goes_ms(const struct coordinator *c, const struct batch_info *info);

void retention_tick(struct coordinator *c);
int64_t retention_next(const struct coordinator *c); /* INT64_MAX: nothing is to go */

#endif

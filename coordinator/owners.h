/* owners: what is known of whoever submits: share, limits, bytes published and still here. Kept as
 * they change, never counted. The store keeps the rows; who changes one changes both in one turn.
 * Loop thread. */
#ifndef ZOE_COORDINATOR_OWNERS_H
#define ZOE_COORDINATOR_OWNERS_H

#include "base/bucket.h"
#include "base/table.h"
#include "coordinator/store_access.h"
#include "proto/limits.h"

struct owner_entry {
    char name[LIMIT_NAME_BYTES + 1];
    uint32_t share;                             /* 0 = 1 */
    uint64_t max_batches, max_tasks, max_bytes; /* 0 = unlimited */
    uint64_t bytes;
    struct bucket submits, changes;
};

struct owners {
    struct table by_name;   /* name -> struct owner_entry, owned */
    struct table published; /* batch -> struct published, owned */
};

void owners_init(struct owners *o);
void owners_finish(struct owners *o);
bool owners_load(struct owners *o, struct store *store, struct error *err);

/* Borrowed; made when there is none. */
struct owner_entry *owners_get(struct owners *o, const char *name);
bool owners_has(const struct owners *o, const char *name);
/* Whether it has these limits already. */
bool owners_are(const struct owners *o, const struct store_owner *row);
void owners_set(struct owners *o, const struct store_owner *row);

void owners_published(struct owners *o, const char *batch, const char *owner, uint64_t bytes);
void owners_removed(struct owners *o, const char *batch);

#endif

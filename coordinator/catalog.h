/* catalog: what people are told about a batch and the core has no use for: folder and key. */
#ifndef ZOE_COORDINATOR_CATALOG_H
#define ZOE_COORDINATOR_CATALOG_H

#include "base/table.h"

struct catalog_entry {
    char *folder; /* in renders/ */
    char *key;    /* idempotency */
};

struct catalog {
    struct table entries; /* batch id -> struct catalog_entry */
};

void catalog_init(struct catalog *c);
void catalog_finish(struct catalog *c);
void catalog_clear(struct catalog *c);
void catalog_set(struct catalog *c, const char *batch, const char *folder, const char *key);
void catalog_remove(struct catalog *c, const char *batch);
/* Borrowed until the next change; NULL when unknown. */
const struct catalog_entry *catalog_find(const struct catalog *c, const char *batch);
/* Folder or NULL. */
const char *catalog_folder(const struct catalog *c, const char *batch);

#endif

/* quota: how much an owner has under way, and whether more is allowed. Loop thread. */
#ifndef ZOE_COORDINATOR_QUOTA_H
#define ZOE_COORDINATOR_QUOTA_H

#include "base/error.h"
#include "coordinator/submit_file.h"

struct coordinator;

struct quota_use {
    uint64_t batches; /* unfinished */
    uint64_t tasks;   /* of their unfinished clips */
    uint32_t running; /* clips that a worker has */
};

/* Walks the batches: for people, and for owners with limits. */
void quota_used(struct coordinator *c, const char *owner, struct quota_use *out);
/* Published and still here; with a limit also files to start from. */
uint64_t quota_bytes(struct coordinator *c, const char *owner);
/* ERROR_REFUSED says what is used and allowed. */
bool quota_allows(struct coordinator *c, const char *owner, const struct submit_result *wanted,
                  struct error *err);
/* A file to start from; what is on its way is the caller's to add. */
bool quota_allows_file(struct coordinator *c, const char *owner, uint64_t size_bytes,
                       struct error *err);
/* Of a batch that has `now`, by somebody who is no operator (docs/decisions/0022). */
bool quota_allows_priority(int32_t wanted, int32_t now, struct error *err);
/* The same of the failed clips of a batch of the owner's, which would wait again. */
bool quota_allows_retry(struct coordinator *c, const char *batch, struct error *err);
/* The pace of submissions. */
bool quota_pace(struct coordinator *c, const char *owner, struct error *err);
/* The pace of changes to what was submitted. */
bool quota_change(struct coordinator *c, const char *owner, struct error *err);

#endif

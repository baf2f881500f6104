/* scope: what a sender may see. Keys with the role submit see their own batches only, and are told
 * of others as of batches that do not exist. Loop thread. */
#ifndef ZOE_COORDINATOR_SCOPE_H
#define ZOE_COORDINATOR_SCOPE_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "coordinator/farm.h"

struct dispatch;

bool scope_sees(const struct dispatch *d, const char *owner);
/* The same of a batch that was asked for by its id; who may not see it is in the audit log. */
bool scope_sees_batch(struct dispatch *d, const char *batch, const char *owner);
bool scope_sees_all(const struct dispatch *d);
/* "" for who sees all, else the one owner. */
const char *scope_owner(const struct dispatch *d);
/* An id, its unique prefix, or "last", among what the sender sees. Errors as farm_batch_find. */
bool scope_find(struct dispatch *d, const char *text, struct batch_info *out, struct error *err);
/* Whether a batch of the sender names, or has stored, such a file. */
bool scope_sees_file(const struct dispatch *d, const struct digest *digest);
/* Leaves those of a list that the sender sees; returns how many. */
uint32_t scope_filter(const struct dispatch *d, struct running_info *list, uint32_t count);

#endif

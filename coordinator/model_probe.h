/* model_probe: what is in one model folder: its name, facts, files and digest. Plain functions for
 * a pool thread. Room-internal: models.c. */
#ifndef ZOE_COORDINATOR_MODEL_PROBE_H
#define ZOE_COORDINATOR_MODEL_PROBE_H

#include <jansson.h>

#include "coordinator/models.h"

/* A digest of the paths, sizes and times of all files of a folder, and of the engine that describes
 * them: as long as it is the same, nothing has to be read again. */
bool model_probe_signature(const char *folder, const char *engine, struct digest *out,
                           struct error *err);

/* Describes and hashes. Never NULL: a folder that cannot be used has a `problem`. Free with
 * model_probe_free. */
struct model *model_probe(const char *folder, const char *engine, int64_t limit_ms);
/* Reads or derives its canary, anew at each scan: canary.json is no part of the model. `tells`: why
 * it has none stands in the log. */
void model_probe_canary(struct model *model, bool tells);
void model_probe_free(struct model *model);

/* A model as it stands in the cache file, and back (NULL when the entry is not usable). */
json_t *model_probe_pack(const struct model *model, const struct digest *signature);
struct model *model_probe_unpack(const json_t *entry, const char *folder,
                                 const struct digest *signature);

#endif

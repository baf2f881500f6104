/* model_cache: which models are on this machine, by digest: sub-folders of the given folders, and
 * STATE/models/DIGEST for those that were fetched. Folders are hashed on a pool thread; what was
 * computed is kept in STATE/models.json with the folder's signature (worker/model_signature.h), so
 * that a second start reads no weights. A folder with another signature than when it was hashed is
 * not here until the next scan. Loop thread only. */
#ifndef ZOE_WORKER_MODEL_CACHE_H
#define ZOE_WORKER_MODEL_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/digest.h"
#include "base/error.h"
#include "worker/model_room.h"

struct model_cache;

struct model_cache_options {
    const char *state_folder;
    const char *const *folders; /* searched first; missing ones are fine */
    size_t folder_count;
};

/* Makes STATE/models, and tidies it. */
struct model_cache *model_cache_create(uv_loop_t *loop, const struct model_cache_options *options,
                                       struct error *err);
/* A scan on its way ends soon, and has seen nothing. No other may be asked for. */
void model_cache_stop(struct model_cache *c);
/* A scan on its way ends silently. The memory lives until then. */
void model_cache_destroy(struct model_cache *c);

/* Where the last scan saw it, looked at again; borrowed until the next one ends. NULL when it is
 * not here. */
const char *model_cache_find(const struct model_cache *c, const struct digest *digest);
/* The signature of that model in that folder; false when it is not there any more. */
bool model_cache_sign(const struct model_cache *c, const char *folder, const struct digest *digest,
                      struct digest *out);
size_t model_cache_count(const struct model_cache *c);
const struct digest *model_cache_digest(const struct model_cache *c, size_t index);

/* Looks at the folders; `done` comes from the loop. Calls meanwhile share the next scan. */
typedef void (*model_cache_done)(void *context);
void model_cache_scan(struct model_cache *c, model_cache_done done, void *context);

/* Removes fetched models that are not needed, as model_room_make. */
bool model_cache_make_room(struct model_cache *c, uint64_t bytes, model_room_needs needs,
                           void *context);

/* STATE/models/DIGEST, where a fetched model goes. Caller frees. */
char *model_cache_place(const struct model_cache *c, const struct digest *digest);

#endif

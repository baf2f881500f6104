/* model_place: where the farm keeps its own models on this machine, and what is written beside
 * them.
 *
 *   STATE/models/NAME/             a model
 *   STATE/models/.incoming/KEY/    one on its way: whole and checked, it is renamed to NAME
 *   STATE/models/.manifests/NAME.json
 *                                  its files with size and SHA-256, where it came from, what the
 *                                  check said: `zoe model verify` and `show` read it
 *
 * The coordinator looks at the folders whenever it is asked for models or gets a batch, so nothing
 * has to be restarted. */
#ifndef ZOE_CLI_MODEL_PLACE_H
#define ZOE_CLI_MODEL_PLACE_H

#include <jansson.h>
#include <stdbool.h>

#include "base/model_digest.h"
#include "cli/client.h"

struct model_place {
    char *folder; /* STATE/models */
    char *state;  /* STATE */
};

/* Asks the coordinator; ERROR_REFUSED when it runs on another machine (proved by its secret key,
 * which must lie in its state folder here and be readable). */
bool model_place_find(struct model_place *place, const struct call *call, struct zclient *client,
                      struct error *err);
void model_place_finish(struct model_place *place);

char *model_place_model(const struct model_place *p, const char *name);    /* caller frees */
char *model_place_manifest(const struct model_place *p, const char *name); /* caller frees */
/* The folder for a model on its way, made if need be; `lock_out` holds it against another `zoe
 * model add` of the same: close it at the end. Caller frees; NULL with err. */
char *model_place_incoming(const struct model_place *p, const char *key, int *lock_out,
                           struct error *err);
/* Folder and lock of one on its way go. */
void model_place_drop_incoming(const struct model_place *p, const char *key);

/* {"schema": "zoe.model-manifest.v1", "digest": HEX, "files": [{"path","size","sha256"}...]} and
 * what `facts` adds. */
json_t *model_manifest_pack(const struct model_files *files, const json_t *facts);
/* The files of a manifest; also of an entry of STATE/models.json, which the coordinator writes for
 * every model it has seen. Free with model_digest_finish. */
bool model_manifest_files(const json_t *manifest, struct model_files *out, struct error *err);
/* That of a model by name, else the coordinator's entry for its folder. ERROR_NOT_FOUND when there
 * is neither. New reference. */
json_t *model_place_read_manifest(const struct model_place *p, const char *name, const char *folder,
                                  struct error *err);

#endif

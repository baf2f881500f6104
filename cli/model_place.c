#include "cli/model_place.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/keys.h"

#define MANIFEST_BYTES_MAX (16 * 1024 * 1024)
#define MANIFEST_SCHEMA "zoe.model-manifest.v1"

/* ---- where ---- */

static char *ask_state_folder(struct zclient *client, struct error *err)
{
    Farm__StatusWanted body = FARM__STATUS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    request.status_wanted = &body;
    struct message *answer = client_ask(client, &request, FARM__ENVELOPE__BODY_STATUS, err);
    char *folder = answer ? xstrdup(answer->envelope->status->state_folder) : NULL;
    message_free(answer);
    return folder;
}

/* The folder of that path is the coordinator's when its secret key lies in it: over a tunnel the
 * same path may be another farm's. */
static bool is_its_own(const char *state, const struct target *target)
{
    struct key_pair keys;
    char *path = path_join(state, "keys/server.key");
    bool own =
        keys_load(path, &keys, NULL) && memcmp(keys.public_key, target->server_key, KEY_BYTES) == 0;
    free(path);
    keys_wipe(&keys);
    return own;
}

bool model_place_find(struct model_place *place, const struct call *call, struct zclient *client,
                      struct error *err)
{
    struct target target;
    *place = (struct model_place){.state = ask_state_folder(client, err)};
    if (!place->state) return false;
    place->folder = path_join(place->state, "models");
    bool found = target_find(&target, call, TARGET_START_NEVER, err), ok = found;
    if (ok && !is_its_own(place->state, &target))
        ok = error_set(err, ERROR_REFUSED,
                       "the coordinator at %s keeps its models on its own machine, in %.200s: run "
                       "this command there, or put the folder there",
                       target.url, place->folder);
    else if (ok && access(place->folder, W_OK) != 0)
        ok = error_set_errno(err, errno, "cannot write to %s", place->folder);
    if (found) target_finish(&target);
    if (!ok) model_place_finish(place);
    return ok;
}

void model_place_finish(struct model_place *p)
{
    free(p->folder);
    free(p->state);
    *p = (struct model_place){0};
}

char *model_place_model(const struct model_place *p, const char *name)
{
    return path_join(p->folder, name);
}

char *model_place_manifest(const struct model_place *p, const char *name)
{
    return xasprintf("%s/.manifests/%s.json", p->folder, name);
}

static char *incoming_path(const struct model_place *p, const char *key, const char *ending)
{
    return xasprintf("%s/.incoming/%s%s", p->folder, key, ending);
}

char *model_place_incoming(const struct model_place *p, const char *key, int *lock_out,
                           struct error *err)
{
    char *folder = incoming_path(p, key, ""), *lock = incoming_path(p, key, ".lock");
    *lock_out = path_make_folders(folder, 0700, err) ? path_lock(lock, err) : -1;
    free(lock);
    if (*lock_out >= 0) return folder;
    if (err->code == ERROR_STATE)
        error_set(err, ERROR_STATE, "another `zoe model add` is at it already (%s)", folder);
    free(folder);
    return NULL;
}

void model_place_drop_incoming(const struct model_place *p, const char *key)
{
    char *folder = incoming_path(p, key, ""), *lock = incoming_path(p, key, ".lock");
    path_remove_tree(folder, NULL);
    unlink(lock);
    free(folder);
    free(lock);
}

/* ---- manifests ---- */

json_t *model_manifest_pack(const struct model_files *files, const json_t *facts)
{
    char hex[DIGEST_TEXT_SIZE];
    struct digest digest = model_digest_of(files);
    digest_text(&digest, hex);
    json_t *rows = json_array();
    json_t *manifest =
        json_pack("{ss ss so}", "schema", MANIFEST_SCHEMA, "digest", hex, "files", rows);
    for (size_t i = 0; i < files->count; i++) {
        digest_text(&files->items[i].digest, hex);
        json_array_append_new(rows,
                              json_pack("{ss sI ss}", "path", files->items[i].path, "size",
                                        (json_int_t)files->items[i].size_bytes, "sha256", hex));
    }
    json_object_update_missing(manifest, (json_t *)(uintptr_t)facts);
    return manifest;
}

/* {"path","size","sha256"} of ours, [path, size, sha256] of the coordinator's. */
static bool take_row(const json_t *row, struct model_files *out)
{
    bool list = json_is_array(row);
    const json_t *size = list ? json_array_get(row, 1) : json_object_get(row, "size");
    const char *path =
        json_string_value(list ? json_array_get(row, 0) : json_object_get(row, "path"));
    const char *hex =
        json_string_value(list ? json_array_get(row, 2) : json_object_get(row, "sha256"));
    struct model_file file = {.size_bytes = (uint64_t)json_integer_value(size)};
    if (!path || !hex || !path_is_safe_relative(path) || !digest_parse(hex, &file.digest))
        return false;
    file.path = xstrdup(path);
    out->items = xrealloc_array(out->items, out->count + 1, sizeof *out->items);
    out->items[out->count++] = file;
    out->total_bytes += file.size_bytes;
    return true;
}

bool model_manifest_files(const json_t *manifest, struct model_files *out, struct error *err)
{
    const json_t *rows = json_object_get(manifest, "files");
    size_t count = json_array_size(rows);
    *out = (struct model_files){0};
    bool ok = count > 0 && count <= MODEL_DIGEST_FILES_MAX;
    for (size_t i = 0; ok && i < count; i++)
        ok = take_row(json_array_get(rows, i), out);
    if (ok) return true;
    model_digest_finish(out);
    return error_set(err, ERROR_CORRUPT, "the model's manifest is damaged");
}

static json_t *coordinators_entry(const struct model_place *p, const char *folder)
{
    char *path = path_join(p->state, "models.json");
    json_t *file = json_parse_file(path, MANIFEST_BYTES_MAX, NULL);
    json_t *entry = json_incref(json_object_get(json_object_get(file, "models"), folder));
    json_decref(file);
    free(path);
    return entry;
}

json_t *model_place_read_manifest(const struct model_place *p, const char *name, const char *folder,
                                  struct error *err)
{
    char *own = model_place_model(p, name), *path = model_place_manifest(p, name);
    bool added = strcmp(own, folder) == 0 && path_exists(path);
    json_t *manifest =
        added ? json_parse_file(path, MANIFEST_BYTES_MAX, err) : coordinators_entry(p, folder);
    free(own);
    free(path);
    if (!manifest && !added)
        error_set(err, ERROR_NOT_FOUND, "there is no list of the files of %s to compare with",
                  name);
    return manifest;
}

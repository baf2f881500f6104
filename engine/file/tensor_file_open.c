/* Which format a file of tensors has, and shards joined by their index. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/safetensors.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "engine/file/tensor_file.h"
#include "engine/file/torch_file.h"

#define INDEX_LIMIT_BYTES ((size_t)64 << 20)

static void close_safetensors(void *object)
{
    safetensors_close(object);
}

static struct tensor_file *open_safetensors(const char *path, struct error *err)
{
    struct safetensors *s = safetensors_open(path, err);
    if (s == NULL) return NULL;
    struct tensor_file *f = tensor_file_new(path);
    tensor_file_keep(f, s, close_safetensors);
    tensor_file_set_metadata(f, safetensors_metadata(s));
    for (int i = 0; i < safetensors_count(s); i++) {
        const struct safetensors_entry *from = safetensors_at(s, i);
        struct tensor_entry e = {from->name, from->dtype, .rank = from->rank, .data = from->data,
                                 .mapped = true};
        memcpy(e.dim, from->dim, sizeof e.dim);
        const bool added = tensor_entry_set_dense(&e) && tensor_file_add(f, &e);
        ZOE_ASSERT(added); /* safetensors_open checked sizes and names */
    }
    return f;
}

/* ---- shards ---- */

/* "….index.json", with a variant "….index.fp16.json". */
static bool is_index(const char *path)
{
    const char *name = path_basename(path), *ending = strrchr(name, '.');
    return strstr(name, ".index.") != NULL && strcmp(ending, ".json") == 0;
}

static void close_shard(void *object)
{
    tensor_file_close(object);
}

/* The shard of that name, opened once. */
static struct tensor_file *shard(struct tensor_file *f, struct table *opened, const char *folder,
                                 const char *name, struct error *err)
{
    struct tensor_file *found = table_get_text(opened, name);
    if (found != NULL) return found;
    char *path = path_join(folder, name);
    found = tensor_file_open(path, err);
    free(path);
    if (found == NULL) return NULL;
    tensor_file_keep(f, found, close_shard);
    table_set_text(opened, name, found);
    return found;
}

static bool add_from_shard(struct tensor_file *f, struct table *opened, const char *folder,
                           const char *tensor, const json_t *name, struct error *err)
{
    const char *text = json_string_value(name);
    if (text == NULL || !path_is_safe_relative(text) || strchr(text, '/') != NULL || is_index(text))
        return error_set(err, ERROR_INVALID, "%s: %s is not said to be in a file beside it",
                         tensor_file_path(f), tensor);
    const struct tensor_file *from = shard(f, opened, folder, text, err);
    if (from == NULL) return false;
    const struct tensor_entry *e = tensor_file_find(from, tensor);
    if (e == NULL)
        return error_set(err, ERROR_INVALID, "%s: %s is not in %s", tensor_file_path(f), tensor,
                         text);
    return tensor_file_add(f, e);
}

static struct tensor_file *open_index(const char *path, struct error *err)
{
    json_t *index = json_parse_file(path, INDEX_LIMIT_BYTES, err);
    json_t *map = json_object_get(index, "weight_map"), *name;
    const char *tensor;
    if (index == NULL) return NULL;
    struct tensor_file *f = tensor_file_new(path);
    struct table opened;
    char *folder = path_dirname(path);
    bool ok = json_is_object(map) || error_set(err, ERROR_INVALID, "%s: no \"weight_map\"", path);
    table_init(&opened);
    json_object_foreach(map, tensor, name)
    {
        if (ok) ok = add_from_shard(f, &opened, folder, tensor, name, err);
    }
    table_finish(&opened);
    free(folder);
    json_decref(index);
    if (ok) return f;
    tensor_file_close(f);
    return NULL;
}

/* ---- by content ---- */

struct tensor_file *tensor_file_open(const char *path, struct error *err)
{
    if (is_index(path)) return open_index(path, err);
    return torch_file_is(path) ? torch_file_open(path, err) : open_safetensors(path, err);
}

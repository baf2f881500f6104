#include "engine/file/torch_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file_map.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/file/pickle.h"
#include "engine/file/zip.h"

#define PICKLE_NAME "data.pkl"
#define PATH_SIZE 512
#define PROBLEM_SIZE 320

struct torch_file {
    struct file_map map;
    struct zip *zip;
    char root[PATH_SIZE]; /* "archive/", or "" */
    struct tensor_file *out;
    const char *path;
};

/* ---- recognising ---- */

/* Before 2020: a pickled magic number (0x1950a86a20f9469cfc6c) first. */
static bool is_legacy(const unsigned char *data, size_t size)
{
    static const unsigned char magic[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc};
    return size >= sizeof magic && memcmp(data, magic, sizeof magic) == 0;
}

bool torch_file_is(const char *path)
{
    unsigned char start[8];
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const ssize_t got = read(fd, start, sizeof start);
    close(fd);
    if (got < (ssize_t)sizeof start) return false;
    return zip_is(start, sizeof start) || is_legacy(start, sizeof start) ||
           memcmp(start, "\x80\x02}", 3) == 0;
}

static bool refuse_legacy(const char *path, struct error *err)
{
    return error_set(err, ERROR_INVALID,
                     "%s is in torch's format from before 2020, which is not read; convert it with "
                     "torch: torch.save(torch.load(\"old\", weights_only=True), \"new\")",
                     path);
}

/* ---- tensors ---- */

static void close_map(void *object)
{
    struct file_map *map = object;
    file_map_close(map);
    free(map);
}

/* The last element that the strides reach lies within the storage, and no more elements are meant
 * than it holds: a tensor that repeats its elements has no place among weights, and could be as
 * large as it likes. */
static bool fits(const struct pickle_tensor *t, const struct tensor_entry *e, int64_t available)
{
    size_t last = (size_t)t->offset, step;
    if (e->count == 0) return true;
    for (int i = 0; i < t->rank; i++)
        if (!size_mul((size_t)(t->dim[i] - 1), (size_t)t->stride[i], &step) ||
            !size_add(last, step, &last))
            return false;
    return last < (size_t)available && e->count <= available;
}

static bool is_dense(const struct tensor_entry *e, const int64_t *stride)
{
    for (int i = 0; i < e->rank; i++)
        if (e->dim[i] != 1 && stride[i] != e->stride[i]) return false;
    return true;
}

static const char *storage_bytes(const struct torch_file *f, const struct pickle_storage *s,
                                 const unsigned char **data_out, char problem[PROBLEM_SIZE])
{
    char name[PATH_SIZE + 64];
    size_t bytes;
    snprintf(name, sizeof name, "%sdata/%.32s", f->root, s->key);
    const struct zip_entry *entry = strlen(s->key) <= 32 ? zip_find(f->zip, name) : NULL;
    if (entry == NULL)
        snprintf(problem, PROBLEM_SIZE, "its storage \"%.32s\" is not in the file", s->key);
    else if (!entry->stored)
        snprintf(problem, PROBLEM_SIZE, "its storage \"%.32s\" is compressed", s->key);
    else if (!size_mul((size_t)s->count, tensor_dtype_size(s->dtype), &bytes) ||
             bytes > entry->size_bytes)
        snprintf(problem, PROBLEM_SIZE, "its storage \"%.32s\" has %zu bytes, too few for %lld %s",
                 s->key, entry->size_bytes, (long long)s->count, tensor_dtype_name(s->dtype));
    else {
        *data_out = entry->data;
        return NULL;
    }
    return problem;
}

/* Fills all of the entry but its name; what is wrong, or NULL. */
static const char *describe(const struct torch_file *f, const struct pickle_tensor *t,
                            struct tensor_entry *e, char problem[PROBLEM_SIZE])
{
    const struct pickle_value *storage = t->storage;
    const unsigned char *data;
    if (!t->sound) return "its description is not that of a tensor";
    if (storage->kind != PICKLE_STORAGE) {
        snprintf(problem, PROBLEM_SIZE, "it depends on an object that is not read (%.255s)",
                 storage->kind == PICKLE_INERT ? storage->text : "no storage");
        return problem;
    }
    e->dtype = storage->storage.dtype;
    e->rank = t->rank;
    memcpy(e->dim, t->dim, sizeof t->dim);
    if (!tensor_entry_set_dense(e) || !fits(t, e, storage->storage.count))
        return "its shape does not fit its storage";
    e->dense = is_dense(e, t->stride);
    memcpy(e->stride, t->stride, sizeof t->stride);
    if (storage_bytes(f, &storage->storage, &data, problem) != NULL) return problem;
    /* Checked above: the offset is within the storage, or the tensor is empty. */
    e->mapped = true;
    e->data =
        e->count == 0 ? data : data + (size_t)t->offset * tensor_dtype_size(storage->storage.dtype);
    return NULL;
}

static bool add_tensor(struct torch_file *f, const char *name, const struct pickle_value *value,
                       struct error *err)
{
    _Static_assert(PICKLE_RANK_MAX == TENSOR_RANK_MAX, "shapes are copied whole");
    char problem[PROBLEM_SIZE];
    struct tensor_entry e = {.name = (char *)(uintptr_t)name, .dtype = TENSOR_F32};
    const char *wrong = NULL;
    if (value->kind == PICKLE_TENSOR)
        wrong = describe(f, &value->tensor, &e, problem);
    else if (value->kind == PICKLE_INERT) {
        snprintf(problem, sizeof problem, "it is an object that is not read (%.255s)", value->text);
        wrong = problem;
    } else
        return true;
    if (wrong != NULL) {
        e.count = 0;
        e.data = NULL;
        e.problem = (char *)(uintptr_t)wrong;
    }
    return tensor_file_add(f->out, &e) ||
           error_set(err, ERROR_INVALID, "%s: %.200s is there twice", f->path, name);
}

/* ---- the state dict ---- */

static const struct pickle_value *state_of(const struct pickle_value *root)
{
    static const char *const keys[] = {"state_dict", "model", "module"};
    for (size_t i = 0; root->kind == PICKLE_DICT && i < sizeof keys / sizeof keys[0]; i++) {
        const struct pickle_value *inner = pickle_get(root, keys[i]);
        if (inner != NULL && inner->kind == PICKLE_DICT) return inner;
    }
    return root;
}

static bool add_all(struct torch_file *f, const struct pickle_value *state, struct error *err)
{
    char number[24];
    const bool dict = state->kind == PICKLE_DICT;
    if (!dict && state->kind != PICKLE_LIST)
        return error_set(err, ERROR_INVALID, "%s holds no state dict%s%.200s", f->path,
                         state->kind == PICKLE_INERT ? " but an object that is not read: " : "",
                         state->kind == PICKLE_INERT ? state->text : "");
    for (size_t i = 0; i < state->items.count; i += dict ? 2 : 1) {
        const struct pickle_value *key = state->items.at[i];
        if (dict && key->kind != PICKLE_TEXT) continue;
        if (dict && !text_is_utf8(key->text, strlen(key->text)))
            return error_set(err, ERROR_INVALID, "%s: the name of tensor %zu is not UTF-8", f->path,
                             i / 2);
        if (!dict) snprintf(number, sizeof number, "%zu", i);
        if (!add_tensor(f, dict ? key->text : number, state->items.at[dict ? i + 1 : i], err))
            return false;
    }
    return true;
}

/* ---- the archive ---- */

/* The one entry called data.pkl at the archive's top, or one folder below. */
static const struct zip_entry *find_pickle(struct torch_file *f)
{
    for (int i = 0; i < zip_count(f->zip); i++) {
        const struct zip_entry *e = zip_at(f->zip, i);
        const char *slash = strchr(e->name, '/'), *name = slash == NULL ? e->name : slash + 1;
        if (strcmp(name, PICKLE_NAME) != 0 || (size_t)(name - e->name) >= sizeof f->root) continue;
        memcpy(f->root, e->name, (size_t)(name - e->name));
        return e;
    }
    return NULL;
}

static bool is_little_endian(const struct torch_file *f)
{
    char name[PATH_SIZE + 16];
    snprintf(name, sizeof name, "%sbyteorder", f->root);
    const struct zip_entry *e = zip_find(f->zip, name);
    return e == NULL || (e->size_bytes == 6 && memcmp(e->data, "little", 6) == 0);
}

static bool read_archive(struct torch_file *f, struct error *err)
{
    f->zip = zip_open(f->map.data, f->map.size_bytes, f->path, err);
    if (f->zip == NULL) return false;
    const struct zip_entry *entry = find_pickle(f);
    if (entry == NULL || !entry->stored)
        return error_set(err, ERROR_INVALID,
                         "%s: an archive without " PICKLE_NAME ": not written by torch.save",
                         f->path);
    if (!is_little_endian(f))
        return error_set(err, ERROR_INVALID, "%s: written on a big-endian machine", f->path);
    struct pickle *pickle = pickle_read(entry->data, entry->size_bytes, f->path, err);
    if (pickle == NULL) return false;
    const bool ok = add_all(f, state_of(pickle_root(pickle)), err);
    pickle_free(pickle);
    return ok;
}

struct tensor_file *torch_file_open(const char *path, struct error *err)
{
    struct torch_file f = {.path = path};
    if (!file_map_open(&f.map, path, 8, err)) return NULL;
    if (!zip_is(f.map.data, f.map.size_bytes)) {
        refuse_legacy(path, err);
        file_map_close(&f.map);
        return NULL;
    }
    f.out = tensor_file_new(path);
    struct file_map *kept = xmalloc(sizeof *kept);
    *kept = f.map;
    tensor_file_keep(f.out, kept, close_map);
    const bool ok = read_archive(&f, err);
    zip_close(f.zip);
    if (ok) return f.out;
    tensor_file_close(f.out);
    return NULL;
}

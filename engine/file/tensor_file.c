#include "engine/file/tensor_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/table.h"
#include "base/xalloc.h"

struct kept {
    void *object;
    void (*close)(void *object);
};

struct tensor_file {
    char *path;
    struct tensor_entry *entries;
    int count, capacity;
    struct table by_name; /* name -> index + 1 */
    struct kept *kept;
    int kept_count;
    json_t *metadata;
};

struct tensor_file *tensor_file_new(const char *path)
{
    struct tensor_file *f = xcalloc(1, sizeof *f);
    f->path = xstrdup(path);
    table_init(&f->by_name);
    return f;
}

void tensor_file_close(struct tensor_file *f)
{
    if (f == NULL) return;
    for (int i = 0; i < f->count; i++) {
        free(f->entries[i].name);
        free(f->entries[i].problem);
    }
    for (int i = 0; i < f->kept_count; i++)
        f->kept[i].close(f->kept[i].object);
    json_decref(f->metadata);
    free(f->kept);
    free(f->entries);
    table_finish(&f->by_name);
    free(f->path);
    free(f);
}

void tensor_file_keep(struct tensor_file *f, void *object, void (*close)(void *object))
{
    f->kept = xrealloc_array(f->kept, (size_t)f->kept_count + 1, sizeof *f->kept);
    f->kept[f->kept_count++] = (struct kept){object, close};
}

void tensor_file_set_metadata(struct tensor_file *f, const json_t *metadata)
{
    json_decref(f->metadata);
    f->metadata = json_incref((json_t *)(uintptr_t)metadata);
}

const json_t *tensor_file_metadata(const struct tensor_file *f)
{
    return f->metadata;
}

bool tensor_file_add(struct tensor_file *f, const struct tensor_entry *entry)
{
    if (table_get_text(&f->by_name, entry->name) != NULL) return false;
    if (f->count == f->capacity) {
        f->capacity = f->capacity == 0 ? 64 : 2 * f->capacity;
        f->entries = xrealloc_array(f->entries, (size_t)f->capacity, sizeof *f->entries);
    }
    struct tensor_entry *e = &f->entries[f->count++];
    *e = *entry;
    e->name = xstrdup(entry->name);
    e->problem = entry->problem != NULL ? xstrdup(entry->problem) : NULL;
    table_set_text(&f->by_name, e->name, (void *)(intptr_t)f->count);
    return true;
}

const char *tensor_file_path(const struct tensor_file *f)
{
    return f->path;
}

int tensor_file_count(const struct tensor_file *f)
{
    return f->count;
}

const struct tensor_entry *tensor_file_at(const struct tensor_file *f, int index)
{
    return &f->entries[index];
}

const struct tensor_entry *tensor_file_find(const struct tensor_file *f, const char *name)
{
    const intptr_t at = (intptr_t)table_get_text(&f->by_name, name);
    return at == 0 ? NULL : &f->entries[at - 1];
}

void tensor_shape_text(int rank, const int64_t *dim, char *out, size_t out_size)
{
    struct buf b = BUF_INIT;
    buf_append_char(&b, '[');
    for (int i = 0; i < rank; i++)
        buf_printf(&b, "%s%lld", i > 0 ? "," : "", (long long)dim[i]);
    buf_append_char(&b, ']');
    snprintf(out, out_size, "%s", buf_text(&b));
    buf_finish(&b);
}

/* ---- entries ---- */

bool tensor_entry_set_dense(struct tensor_entry *e)
{
    size_t count = 1, bytes;
    for (int i = e->rank - 1; i >= 0; i--) {
        e->stride[i] = (int64_t)count;
        if (e->dim[i] < 0 || !size_mul(count, (size_t)e->dim[i], &count) || count > INT64_MAX)
            return false;
    }
    e->count = (int64_t)count;
    e->dense = true;
    return size_mul(count, tensor_dtype_size(e->dtype), &bytes) && bytes <= INT64_MAX;
}

size_t tensor_entry_bytes(const struct tensor_entry *e)
{
    return (size_t)e->count * tensor_dtype_size(e->dtype);
}

static bool readable(const struct tensor_entry *e, struct error *err)
{
    if (e->problem == NULL) return true;
    return error_set(err, ERROR_INVALID, "%s: %s", e->name, e->problem);
}

/* Where the dense element `index` is stored. */
static const unsigned char *place_of(const struct tensor_entry *e, int64_t index)
{
    int64_t offset = 0;
    for (int i = e->rank - 1; i >= 0; i--) {
        offset += index % e->dim[i] * e->stride[i];
        index /= e->dim[i];
    }
    return (const unsigned char *)e->data + (size_t)offset * tensor_dtype_size(e->dtype);
}

bool tensor_entry_read(const struct tensor_entry *e, int64_t first, int64_t count, void *out,
                       struct error *err)
{
    const size_t size = tensor_dtype_size(e->dtype);
    unsigned char *to = out;
    ZOE_ASSERT(first >= 0 && count >= 0 && first <= e->count - count);
    if (!readable(e, err)) return false;
    if (e->dense && count > 0)
        memcpy(to, (const unsigned char *)e->data + (size_t)first * size, (size_t)count * size);
    for (int64_t i = 0; !e->dense && i < count; i++)
        memcpy(to + (size_t)i * size, place_of(e, first + i), size);
    return true;
}

/* Whole pages, never beyond those that hold the data: what lies behind a mapping is not ours. */
void tensor_entry_drop(const struct tensor_entry *e)
{
    if (!e->mapped || !e->dense) return;
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t at = (uintptr_t)e->data, first = at / page * page;
    const uintptr_t last = (at + tensor_entry_bytes(e) + page - 1) / page * page;
    if (e->data != NULL) (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

const void *tensor_file_data(struct tensor_file *f, const struct tensor_entry *e, struct error *err)
{
    if (!readable(e, err)) return NULL;
    if (e->dense) return e->data;
    void *copy = xmalloc(tensor_entry_bytes(e) + 1);
    tensor_file_keep(f, copy, free);
    return tensor_entry_read(e, 0, e->count, copy, err) ? copy : NULL;
}

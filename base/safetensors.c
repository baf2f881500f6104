#include "base/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file_map.h"
#include "base/json.h"
#include "base/path.h"
#include "base/table.h"
#include "base/xalloc.h"

#define LENGTH_BYTES 8

struct safetensors {
    struct file_map map;
    size_t data_offset, data_bytes;
    struct safetensors_entry *entries;
    int count;
    struct table by_name;
    json_t *metadata;
};

/* ---- reading ---- */

static bool parse_dtype(const json_t *value, enum tensor_dtype *out)
{
    const char *text = json_string_value(value);
    for (int d = 0; text != NULL && d < TENSOR_DTYPES; d++)
        if (strcmp(text, tensor_dtype_name((enum tensor_dtype)d)) == 0) {
            *out = (enum tensor_dtype)d;
            return true;
        }
    return false;
}

static bool parse_shape(const json_t *value, struct safetensors_entry *e)
{
    if (!json_is_array(value) || json_array_size(value) > SAFETENSORS_RANK_MAX) return false;
    size_t count = 1;
    e->rank = (int)json_array_size(value);
    for (int i = 0; i < e->rank; i++) {
        const json_t *dim = json_array_get(value, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0) return false;
        e->dim[i] = json_integer_value(dim);
        if (!size_mul(count, (size_t)e->dim[i], &count) || count > INT64_MAX) return false;
    }
    e->count = (int64_t)count;
    return size_mul(count, tensor_dtype_size(e->dtype), &e->size_bytes);
}

static bool parse_offsets(const struct safetensors *s, const json_t *value,
                          struct safetensors_entry *e)
{
    const json_t *begin = json_array_get(value, 0), *end = json_array_get(value, 1);
    if (json_array_size(value) != 2 || !json_is_integer(begin) || !json_is_integer(end))
        return false;
    const json_int_t first = json_integer_value(begin), last = json_integer_value(end);
    if (first < 0 || last < first || (uint64_t)last > s->data_bytes) return false;
    if ((uint64_t)(last - first) != e->size_bytes) return false;
    e->data = s->map.data + s->data_offset + first;
    return true;
}

static bool parse_entry(const struct safetensors *s, const char *name, const json_t *value,
                        struct safetensors_entry *e, const char *path, struct error *err)
{
    if (!json_is_object(value))
        return error_set(err, ERROR_INVALID, "%s: %s is not an object", path, name);
    if (!parse_dtype(json_object_get(value, "dtype"), &e->dtype))
        return error_set(err, ERROR_INVALID, "%s: %s has a dtype that is not read here", path,
                         name);
    if (!parse_shape(json_object_get(value, "shape"), e))
        return error_set(err, ERROR_INVALID, "%s: %s has an impossible shape", path, name);
    if (!parse_offsets(s, json_object_get(value, "data_offsets"), e))
        return error_set(err, ERROR_INVALID, "%s: %s has offsets that do not fit", path, name);
    e->name = xstrdup(name);
    return true;
}

static int by_offset(const void *a, const void *b)
{
    const struct safetensors_entry *x = a, *y = b;
    if (x->data != y->data) return (const char *)x->data < (const char *)y->data ? -1 : 1;
    if (x->size_bytes != y->size_bytes) return x->size_bytes < y->size_bytes ? -1 : 1;
    return strcmp(x->name, y->name);
}

static bool check_cover(const struct safetensors *s, const char *path, struct error *err)
{
    const unsigned char *next = s->map.data + s->data_offset;
    for (int i = 0; i < s->count; i++) {
        if (s->entries[i].data != next)
            return error_set(err, ERROR_INVALID, "%s: data of %s overlaps or leaves a hole", path,
                             s->entries[i].name);
        next += s->entries[i].size_bytes;
    }
    if (next != s->map.data + s->map.size_bytes)
        return error_set(err, ERROR_INVALID, "%s: data that belongs to no tensor", path);
    return true;
}

static bool parse_header(struct safetensors *s, json_t *header, const char *path, struct error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(header))
        return error_set(err, ERROR_INVALID, "%s: the header is not an object", path);
    s->entries = xcalloc(json_object_size(header), sizeof *s->entries);
    json_object_foreach(header, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) {
            s->metadata = json_incref(value);
            continue;
        }
        if (!parse_entry(s, name, value, &s->entries[s->count], path, err)) return false;
        s->count++;
    }
    if (s->count > 0) qsort(s->entries, (size_t)s->count, sizeof *s->entries, by_offset);
    for (int i = 0; i < s->count; i++)
        table_set_text(&s->by_name, s->entries[i].name, &s->entries[i]);
    return check_cover(s, path, err);
}

static bool read_header(struct safetensors *s, const char *path, struct error *err)
{
    uint64_t length = 0;
    for (int i = LENGTH_BYTES - 1; i >= 0; i--)
        length = length << 8 | s->map.data[i];
    if (length > SAFETENSORS_HEADER_MAX_BYTES || length > s->map.size_bytes - LENGTH_BYTES)
        return error_set(err, ERROR_INVALID, "%s: a header of %llu bytes does not fit the file",
                         path, (unsigned long long)length);
    s->data_offset = LENGTH_BYTES + (size_t)length;
    s->data_bytes = s->map.size_bytes - s->data_offset;
    json_t *header =
        json_parse((const char *)s->map.data + LENGTH_BYTES, (size_t)length, path, err);
    if (header == NULL) return false;
    const bool ok = parse_header(s, header, path, err);
    json_decref(header);
    return ok;
}

struct safetensors *safetensors_open(const char *path, struct error *err)
{
    struct safetensors *s = xcalloc(1, sizeof *s);
    table_init(&s->by_name);
    if (file_map_open(&s->map, path, LENGTH_BYTES + 2, err) && read_header(s, path, err)) return s;
    safetensors_close(s);
    return NULL;
}

void safetensors_close(struct safetensors *s)
{
    if (s == NULL) return;
    for (int i = 0; i < s->count; i++)
        free(s->entries[i].name);
    free(s->entries);
    table_finish(&s->by_name);
    json_decref(s->metadata);
    file_map_close(&s->map);
    free(s);
}

const json_t *safetensors_metadata(const struct safetensors *s)
{
    return s->metadata;
}

int safetensors_count(const struct safetensors *s)
{
    return s->count;
}

const struct safetensors_entry *safetensors_at(const struct safetensors *s, int index)
{
    return &s->entries[index];
}

const struct safetensors_entry *safetensors_find(const struct safetensors *s, const char *name)
{
    return table_get_text(&s->by_name, name);
}

/* ---- writing ---- */

struct safetensors_writer {
    json_t *header;
    struct buf data;
};

struct safetensors_writer *safetensors_writer_new(void)
{
    struct safetensors_writer *w = xcalloc(1, sizeof *w);
    w->header = json_object();
    return w;
}

void safetensors_writer_free(struct safetensors_writer *w)
{
    if (w == NULL) return;
    json_decref(w->header);
    buf_finish(&w->data);
    free(w);
}

void safetensors_writer_add(struct safetensors_writer *w, const char *name, enum tensor_dtype dtype,
                            int rank, const int64_t *dim, const void *data)
{
    size_t size = tensor_dtype_size(dtype);
    json_t *shape = json_array();
    for (int i = 0; i < rank; i++) {
        ZOE_ASSERT(dim[i] >= 0 && size_mul(size, (size_t)dim[i], &size));
        json_array_append_new(shape, json_integer(dim[i]));
    }
    const size_t begin = w->data.size;
    if (size > 0) buf_append(&w->data, data, size);
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor_dtype_name(dtype), "shape",
                              shape, "data_offsets", (json_int_t)begin, (json_int_t)w->data.size);
    ZOE_ASSERT(entry != NULL);
    json_object_set_new(w->header, name, entry);
}

static void put_together(const struct safetensors_writer *w, struct buf *file)
{
    char *header = json_dumps(w->header, JSON_COMPACT);
    ZOE_ASSERT(header != NULL);
    /* Spaces after the header keep the data aligned to 8 bytes for readers that map it. */
    const size_t text = strlen(header), length = (text + 7) / 8 * 8;
    for (int i = 0; i < LENGTH_BYTES; i++)
        buf_append_char(file, (char)(length >> (8 * i) & 0xff));
    buf_append(file, header, text);
    for (size_t i = text; i < length; i++)
        buf_append_char(file, ' ');
    if (w->data.size > 0) buf_append(file, w->data.data, w->data.size);
    free(header);
}

bool safetensors_writer_save(const struct safetensors_writer *w, const char *path,
                             struct error *err)
{
    struct buf file = BUF_INIT;
    put_together(w, &file);
    const bool ok = path_write_atomic(path, file.data, file.size, 0644, err);
    buf_finish(&file);
    return ok;
}

bool safetensors_writer_save_expendable(const struct safetensors_writer *w, const char *path,
                                        struct error *err)
{
    struct buf file = BUF_INIT;
    put_together(w, &file);
    const bool ok = path_write_expendable(path, file.data, file.size, 0644, err);
    buf_finish(&file);
    return ok;
}

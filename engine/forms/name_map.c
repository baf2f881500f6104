#include "engine/forms/name_map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"

enum row_kind { ROW_PLAIN, ROW_MATRIX, ROW_THIRDS, ROW_DROPPED };

struct row {
    enum row_kind kind;
    char to[];
};

struct name_map {
    struct table rows; /* old name -> row */
};

struct name_map *name_map_new(void)
{
    struct name_map *m = xcalloc(1, sizeof *m);
    table_init(&m->rows);
    return m;
}

void name_map_free(struct name_map *m)
{
    if (m == NULL) return;
    table_finish_all(&m->rows);
    free(m);
}

static void add_row(struct name_map *m, enum row_kind kind, const char *from, const char *to)
{
    const size_t size = strlen(to) + 1;
    struct row *row = xmalloc(sizeof *row + size);
    row->kind = kind;
    memcpy(row->to, to, size);
    free(table_set_text(&m->rows, from, row));
}

void name_map_add(struct name_map *m, const char *from, const char *to)
{
    add_row(m, ROW_PLAIN, from, to);
}

void name_map_add_matrix(struct name_map *m, const char *from, const char *to)
{
    add_row(m, ROW_MATRIX, from, to);
}

void name_map_add_thirds(struct name_map *m, const char *from, const char *to)
{
    add_row(m, ROW_THIRDS, from, to);
}

void name_map_drop(struct name_map *m, const char *from)
{
    add_row(m, ROW_DROPPED, from, "");
}

/* ---- views ---- */

/* The row of the name or of the longest module above it; *rest is what stands below. */
static const struct row *find_row(const struct name_map *m, const char *name, const char **rest)
{
    for (size_t length = strlen(name); length > 0;) {
        const struct row *row = table_get(&m->rows, name, length);
        *rest = name + length;
        if (row != NULL) return row;
        while (length > 0 && name[--length] != '.')
            ;
    }
    return NULL;
}

static void squeeze(struct tensor_entry *e)
{
    while (e->rank > 2 && e->dim[e->rank - 1] == 1)
        e->rank--;
}

static bool add_thirds(struct tensor_file *view, const struct tensor_entry *whole, const char *to)
{
    bool ok = whole->problem != NULL || (whole->rank >= 1 && whole->dim[0] % 3 == 0);
    for (int i = 0; ok && i < 3; i++) {
        char name[NAME_MAP_SIZE];
        const char *mark = strchr(to, '%');
        struct tensor_entry e = *whole;
        snprintf(name, sizeof name, "%.*s%c%s", (int)(mark - to), to, "qkv"[i], mark + 2);
        e.name = name;
        if (whole->problem == NULL) {
            e.dim[0] = whole->dim[0] / 3;
            e.count = whole->count / 3;
            const size_t step = (size_t)(e.dim[0] * e.stride[0]) * tensor_dtype_size(e.dtype);
            e.data = (const unsigned char *)whole->data + (size_t)i * step;
        }
        ok = tensor_file_add(view, &e);
    }
    return ok;
}

static bool add_mapped(const struct name_map *m, struct tensor_file *view,
                       const struct tensor_entry *entry, const char *short_name)
{
    const char *rest = "";
    char name[NAME_MAP_SIZE];
    const struct row *row = m != NULL ? find_row(m, short_name, &rest) : NULL;
    struct tensor_entry e = *entry;
    if (row != NULL && row->kind == ROW_DROPPED) return true;
    if (row != NULL && row->kind == ROW_THIRDS) return add_thirds(view, entry, row->to);
    if (row != NULL && snprintf(name, sizeof name, "%s%s", row->to, rest) < (int)sizeof name)
        e.name = name;
    else if (m == NULL)
        e.name = (char *)(uintptr_t)short_name;
    if (row != NULL && row->kind == ROW_MATRIX) squeeze(&e);
    return tensor_file_add(view, &e);
}

struct tensor_file *name_map_view(const struct name_map *m, const struct tensor_file *source,
                                  const char *prefix, struct error *err)
{
    struct tensor_file *view = tensor_file_new(tensor_file_path(source));
    const size_t length = strlen(prefix);
    for (int i = 0; i < tensor_file_count(source); i++) {
        const struct tensor_entry *e = tensor_file_at(source, i);
        if (strncmp(e->name, prefix, length) != 0 || add_mapped(m, view, e, e->name + length))
            continue;
        error_set(err, ERROR_INVALID, "%s: %.200s does not split, or is there under two names",
                  tensor_file_path(source), e->name);
        tensor_file_close(view);
        return NULL;
    }
    return view;
}

const char *name_map_prefix(const struct tensor_file *file, const char *const *prefixes,
                            const char *probe)
{
    for (int i = 0; prefixes[i] != NULL; i++) {
        char name[NAME_MAP_SIZE];
        snprintf(name, sizeof name, "%s%s", prefixes[i], probe);
        if (tensor_file_find(file, name) != NULL) return prefixes[i];
    }
    return NULL;
}

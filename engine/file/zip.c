#include "engine/file/zip.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "base/xalloc.h"

#define ENTRIES_MAX (1 << 20)
#define NAME_MAX_BYTES 1024

/* Fixed parts of the records, and where their fields stand. */
#define END_BYTES 22
#define END64_BYTES 56
#define LOCATOR_BYTES 20
#define CENTRAL_BYTES 46
#define LOCAL_BYTES 30
#define COMMENT_MAX 0xffff

#define FLAG_ENCRYPTED 1
#define EXTRA_ZIP64 1

struct zip {
    const unsigned char *data;
    size_t size;
    const char *what;
    struct zip_entry *entries;
    int count;
    struct table by_name;
};

static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static bool has_signature(const struct zip *z, uint64_t at, size_t bytes, char third, char fourth)
{
    if (at > z->size || bytes > z->size - at) return false;
    const unsigned char *p = z->data + at;
    return p[0] == 'P' && p[1] == 'K' && p[2] == third && p[3] == fourth;
}

bool zip_is(const void *data, size_t size_bytes)
{
    return size_bytes >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* ---- where the central directory is ---- */

struct directory {
    uint64_t count, offset, bytes;
};

static bool find_end(const struct zip *z, size_t *at)
{
    if (z->size < END_BYTES) return false;
    const size_t last = z->size - END_BYTES, first = last > COMMENT_MAX ? last - COMMENT_MAX : 0;
    for (size_t i = last + 1; i-- > first;)
        if (has_signature(z, i, END_BYTES, 5, 6)) {
            *at = i;
            return true;
        }
    return false;
}

static bool find_directory(const struct zip *z, struct directory *d, struct error *err)
{
    size_t end;
    if (!find_end(z, &end))
        return error_set(err, ERROR_INVALID, "%s: the archive has no end: it was cut off", z->what);
    d->count = number(z->data + end + 10, 2);
    d->bytes = number(z->data + end + 12, 4);
    d->offset = number(z->data + end + 16, 4);
    if (end >= LOCATOR_BYTES && has_signature(z, end - LOCATOR_BYTES, LOCATOR_BYTES, 6, 7)) {
        const uint64_t at = number(z->data + end - LOCATOR_BYTES + 8, 8);
        if (!has_signature(z, at, END64_BYTES, 6, 6))
            return error_set(err, ERROR_INVALID,
                             "%s: the archive's zip64 end is not where it should be", z->what);
        d->count = number(z->data + at + 32, 8);
        d->bytes = number(z->data + at + 40, 8);
        d->offset = number(z->data + at + 48, 8);
    }
    if (d->offset > end || d->bytes > end - d->offset || d->count > ENTRIES_MAX ||
        d->count > d->bytes / CENTRAL_BYTES)
        return error_set(err, ERROR_INVALID, "%s: the archive's directory does not fit", z->what);
    return true;
}

/* ---- one entry ---- */

struct central {
    uint64_t packed, size, offset;
    unsigned flags, method, name_bytes, extra_bytes, comment_bytes;
    const unsigned char *name, *extra;
};

static bool read_central(const struct zip *z, uint64_t at, uint64_t end, struct central *c)
{
    if (at > end || end - at < CENTRAL_BYTES || !has_signature(z, at, CENTRAL_BYTES, 1, 2))
        return false;
    const unsigned char *p = z->data + at;
    c->flags = (unsigned)number(p + 8, 2);
    c->method = (unsigned)number(p + 10, 2);
    c->packed = number(p + 20, 4);
    c->size = number(p + 24, 4);
    c->name_bytes = (unsigned)number(p + 28, 2);
    c->extra_bytes = (unsigned)number(p + 30, 2);
    c->comment_bytes = (unsigned)number(p + 32, 2);
    c->offset = number(p + 42, 4);
    c->name = p + CENTRAL_BYTES;
    c->extra = c->name + c->name_bytes;
    return end - at - CENTRAL_BYTES >= (uint64_t)c->name_bytes + c->extra_bytes + c->comment_bytes;
}

/* The zip64 field holds, in this order, those values that did not fit into 32 bits. */
static bool widen(struct central *c)
{
    uint64_t *const wide[] = {&c->size, &c->packed, &c->offset};
    const unsigned char *p = c->extra, *end = c->extra + c->extra_bytes;
    while (end - p >= 4) {
        const unsigned id = (unsigned)number(p, 2), bytes = (unsigned)number(p + 2, 2);
        p += 4;
        if (bytes > end - p) return false;
        const unsigned char *field = p;
        p += bytes;
        for (int i = 0; id == EXTRA_ZIP64 && i < 3; i++) {
            if (*wide[i] != UINT32_MAX) continue;
            if (p - field < 8) return false;
            *wide[i] = number(field, 8);
            field += 8;
        }
    }
    return true;
}

static bool locate(const struct zip *z, const struct central *c, struct zip_entry *e)
{
    if (!has_signature(z, c->offset, LOCAL_BYTES, 3, 4)) return false;
    const unsigned char *p = z->data + c->offset;
    const uint64_t skip = LOCAL_BYTES + number(p + 26, 2) + number(p + 28, 2);
    const uint64_t room = z->size - c->offset;
    if (skip > room || c->packed > room - skip) return false;
    e->data = p + skip;
    e->size_bytes = (size_t)c->packed;
    e->stored = c->method == 0 && (c->flags & FLAG_ENCRYPTED) == 0 && c->size == c->packed;
    return true;
}

static bool add_entry(struct zip *z, struct central *c, struct error *err)
{
    struct zip_entry *e = &z->entries[z->count];
    if (c->name_bytes == 0 || c->name_bytes > NAME_MAX_BYTES ||
        memchr(c->name, '\0', c->name_bytes) != NULL)
        return error_set(err, ERROR_INVALID, "%s: entry %d of the archive has an impossible name",
                         z->what, z->count);
    e->name = xstrndup((const char *)c->name, c->name_bytes);
    z->count++;
    if (!widen(c) || !locate(z, c, e))
        return error_set(err, ERROR_INVALID, "%s: %.200s lies outside of the archive", z->what,
                         e->name);
    return true;
}

static int by_place(const void *a, const void *b)
{
    const struct zip_entry *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* Bytes that belong to two entries are a trick, never an archive. */
static bool index_entries(struct zip *z, struct error *err)
{
    if (z->count > 0) qsort(z->entries, (size_t)z->count, sizeof *z->entries, by_place);
    for (int i = 0; i < z->count; i++) {
        struct zip_entry *e = &z->entries[i];
        if (i > 0 && (size_t)(e->data - e[-1].data) < e[-1].size_bytes)
            return error_set(err, ERROR_INVALID, "%s: %.200s overlaps %.200s", z->what, e->name,
                             e[-1].name);
        if (table_set_text(&z->by_name, e->name, e) != NULL)
            return error_set(err, ERROR_INVALID, "%s: %.200s is there twice", z->what, e->name);
    }
    return true;
}

static bool read_entries(struct zip *z, struct error *err)
{
    struct directory d = {0};
    struct central c = {0};
    if (!find_directory(z, &d, err)) return false;
    z->entries = xcalloc((size_t)d.count + 1, sizeof *z->entries);
    uint64_t at = d.offset;
    for (uint64_t i = 0; i < d.count; i++) {
        if (!read_central(z, at, d.offset + d.bytes, &c))
            return error_set(err, ERROR_INVALID,
                             "%s: entry %llu of the archive's directory is broken", z->what,
                             (unsigned long long)i);
        at += (uint64_t)CENTRAL_BYTES + c.name_bytes + c.extra_bytes + c.comment_bytes;
        if (!add_entry(z, &c, err)) return false;
    }
    return index_entries(z, err);
}

struct zip *zip_open(const void *data, size_t size_bytes, const char *what, struct error *err)
{
    struct zip *z = xcalloc(1, sizeof *z);
    z->data = data;
    z->size = size_bytes;
    z->what = what;
    table_init(&z->by_name);
    const bool ok = read_entries(z, err);
    z->what = NULL; /* the caller's, for this call only */
    if (ok) return z;
    zip_close(z);
    return NULL;
}

void zip_close(struct zip *z)
{
    if (z == NULL) return;
    for (int i = 0; i < z->count; i++)
        free(z->entries[i].name);
    free(z->entries);
    table_finish(&z->by_name);
    free(z);
}

int zip_count(const struct zip *z)
{
    return z->count;
}

const struct zip_entry *zip_at(const struct zip *z, int index)
{
    return &z->entries[index];
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    return table_get_text(&z->by_name, name);
}

/* safetensors: named arrays in one file: 8 bytes of header length (little endian), a JSON header,
 * then the data.
 *
 * Reading maps the file; entries borrow from the mapping and die with it. The header comes from
 * outside: lengths, shapes and offsets are checked with overflow in mind, data must be covered
 * exactly once, and only the dtypes of dtype.h are taken. */
#ifndef ZOE_BASE_SAFETENSORS_H
#define ZOE_BASE_SAFETENSORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/dtype.h"
#include "base/error.h"

#define SAFETENSORS_RANK_MAX 8
#define SAFETENSORS_HEADER_MAX_BYTES ((size_t)100 << 20)

struct safetensors_entry {
    char *name;
    enum tensor_dtype dtype;
    int rank;
    int64_t dim[SAFETENSORS_RANK_MAX];
    int64_t count;    /* elements */
    const void *data; /* in the mapping, aligned to nothing in particular */
    size_t size_bytes;
};

struct safetensors;

/* NULL with ERROR_NOT_FOUND, ERROR_IO or ERROR_INVALID; errors name the file. */
struct safetensors *safetensors_open(const char *path, struct error *err);
void safetensors_close(struct safetensors *s); /* NULL is fine */

/* The header's "__metadata__" object, or NULL; borrowed. */
const json_t *safetensors_metadata(const struct safetensors *s);

int safetensors_count(const struct safetensors *s);
const struct safetensors_entry *safetensors_at(const struct safetensors *s,
                                               int index); /* by offset */
const struct safetensors_entry *safetensors_find(const struct safetensors *s,
                                                 const char *name); /* or NULL */

/* Writing: entries are collected in memory (copied), then written in the order of adding, by
 * rename; durably, or as path_write_expendable does it. */
struct safetensors_writer;
struct safetensors_writer *safetensors_writer_new(void);
void safetensors_writer_free(struct safetensors_writer *w); /* NULL is fine */
void safetensors_writer_add(struct safetensors_writer *w, const char *name, enum tensor_dtype dtype,
                            int rank, const int64_t *dim, const void *data);
bool safetensors_writer_save(const struct safetensors_writer *w, const char *path,
                             struct error *err);
bool safetensors_writer_save_expendable(const struct safetensors_writer *w, const char *path,
                                        struct error *err);

#endif

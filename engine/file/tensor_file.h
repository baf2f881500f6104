/* tensor_file: named arrays from one or more files, whatever their format: safetensors, shards of
 * either kind joined by an index, torch archives.
 *
 * Opening maps files and reads their headers; no weight is touched. An entry's memory belongs to
 * the tensor_file and dies with it. A view is a tensor_file of its own whose entries borrow from
 * another: renamed, cut, left out. A tensor_file belongs to one thread at a time. */
#ifndef ZOE_ENGINE_FILE_TENSOR_FILE_H
#define ZOE_ENGINE_FILE_TENSOR_FILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/tensor.h"

#define TENSOR_RANK_MAX 8

struct tensor_entry {
    char *name;
    enum tensor_dtype dtype;
    int rank;
    int64_t dim[TENSOR_RANK_MAX];
    int64_t stride[TENSOR_RANK_MAX]; /* in elements */
    int64_t count;                   /* elements */
    bool dense;                      /* the strides are those of rows one after the other */
    const void *data; /* the first element, aligned to nothing in particular; NULL: see problem */
    bool mapped;      /* `data` lies in a mapped file */
    char *problem; /* why this tensor cannot be read, when it cannot: it is refused only when asked
                      for */
};

struct tensor_file;

/* By content: a safetensors file, a torch archive (zip), or the JSON index of shards beside it.
 * ERROR_NOT_FOUND, ERROR_IO or ERROR_INVALID; errors name the file and the tensor. */
struct tensor_file *tensor_file_open(const char *path, struct error *err);
void tensor_file_close(struct tensor_file *f); /* NULL is fine */

/* An empty one, to be filled by readers and views. `path` names it in errors. */
struct tensor_file *tensor_file_new(const char *path);
/* Copies the entry, name and problem included. False when the name is taken. */
bool tensor_file_add(struct tensor_file *f, const struct tensor_entry *entry);
/* `object` lives until the tensor_file is closed. */
void tensor_file_keep(struct tensor_file *f, void *object, void (*close)(void *object));

/* Rows one after the other: strides and dense from rank and dim. False when the sizes overflow. */
bool tensor_entry_set_dense(struct tensor_entry *e);
size_t tensor_entry_bytes(const struct tensor_entry *e); /* of the dense form */

/* A file's own remarks, an object; a new reference is taken. NULL, borrowed, when it has none. */
void tensor_file_set_metadata(struct tensor_file *f, const json_t *metadata);
const json_t *tensor_file_metadata(const struct tensor_file *f);

const char *tensor_file_path(const struct tensor_file *f);
int tensor_file_count(const struct tensor_file *f);
const struct tensor_entry *tensor_file_at(const struct tensor_file *f, int index);
const struct tensor_entry *tensor_file_find(const struct tensor_file *f, const char *name);

/* The entry's elements one after the other; where they are not stored so, a copy that lives as long
 * as the file. NULL with ERROR_INVALID for a tensor that cannot be read. */
const void *tensor_file_data(struct tensor_file *f, const struct tensor_entry *e,
                             struct error *err);

/* Copies `count` dense elements from `first` on to `out`, without keeping anything. */
bool tensor_entry_read(const struct tensor_entry *e, int64_t first, int64_t count, void *out,
                       struct error *err);

/* The mapped pages of an entry's data, no longer needed: they leave this process's memory, and come
 * back from the file should they be read again. Nothing happens to data that is not mapped. */
void tensor_entry_drop(const struct tensor_entry *e);

/* "[2,77]" into out. */
void tensor_shape_text(int rank, const int64_t *dim, char *out, size_t out_size);

#endif

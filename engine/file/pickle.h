/* pickle: Python's pickles as data. Nothing is imported and nothing is called: containers,
 * numbers and texts become values, torch's tensors and storages descriptions, and whatever would
 * be an object of any other class one inert value that only knows its class's name.
 *
 * Read are the binary opcodes of protocols 2 to 5, as torch.save writes them.
 * Source of the opcodes: CPython's Lib/pickletools.py; of the tensors' form: what torch.save
 * writes. */
#ifndef ZOE_ENGINE_FILE_PICKLE_H
#define ZOE_ENGINE_FILE_PICKLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/tensor.h"

#define PICKLE_BYTES_MAX ((size_t)64 << 20)
#define PICKLE_VALUES_MAX (1 << 20)
#define PICKLE_RANK_MAX 8

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_REAL,
    PICKLE_TEXT,
    PICKLE_TUPLE, /* items */
    PICKLE_LIST,  /* items; sets too */
    PICKLE_DICT,  /* items: key, value, key, value, .. */
    PICKLE_CLASS, /* text: "module name" */
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_INERT, /* text: the class that it would be of */
};

struct pickle_value;

struct pickle_list {
    struct pickle_value **at;
    size_t count, capacity;
};

struct pickle_tensor {
    const struct pickle_value *storage; /* a PICKLE_STORAGE, or what stands in its place */
    int64_t offset;                     /* elements */
    int rank;
    int64_t dim[PICKLE_RANK_MAX], stride[PICKLE_RANK_MAX];
    bool sound; /* false: the arguments were not those of a tensor */
};

struct pickle_storage {
    const char *key; /* names its file in the archive */
    enum tensor_dtype dtype;
    int64_t count; /* elements */
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        int64_t integer; /* and BOOL */
        double real;
        const char *text; /* ends with NUL; bytes behind an inner NUL are lost */
        struct pickle_list items;
        struct pickle_tensor tensor;
        struct pickle_storage storage;
    };
};

struct pickle;

/* ERROR_INVALID names `what`, the opcode and its place. */
struct pickle *pickle_read(const void *data, size_t size_bytes, const char *what,
                           struct error *err);
void pickle_free(struct pickle *p);                             /* NULL is fine */
const struct pickle_value *pickle_root(const struct pickle *p); /* may contain itself */

/* The value under a text key of a PICKLE_DICT, the last one; NULL when absent. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);

#endif

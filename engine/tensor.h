/* tensor: what activations are made of, and the arena they live in.
 *
 * Every activation is float32, channels last, with five dimensions:
 * [batch][frame][row][column][channel]. A row of tokens is [batch][1][1][tokens][channel], a vector
 * per video [batch][1][1][1][channel]. `data` belongs to the backend that made the memory: host
 * memory for `ref` and `cpu`, and nobody but the backend looks through it. It is NULL while a
 * forward is planned. */
#ifndef ZOE_ENGINE_TENSOR_H
#define ZOE_ENGINE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Weights are of the first three; the others are read past, as files hold them. */
enum tensor_dtype {
    TENSOR_F32,
    TENSOR_F16,
    TENSOR_BF16,
    TENSOR_I64,
    TENSOR_U8,
    TENSOR_F64,
    TENSOR_I32,
    TENSOR_I16,
    TENSOR_I8,
    TENSOR_BOOL,
    TENSOR_U64,
    TENSOR_U32,
    TENSOR_U16,
    TENSOR_F8_E4M3,
    TENSOR_F8_E5M2,
    TENSOR_DTYPES
};

const char *tensor_dtype_name(enum tensor_dtype dtype); /* safetensors' name: "F32" */
size_t tensor_dtype_size(enum tensor_dtype dtype);      /* bytes of one element */

/* One element of a stored tensor as float: exact for F16 and BF16. */
float tensor_half_to_float(uint16_t bits);
float tensor_bfloat_to_float(uint16_t bits);
/* To the nearest, ties to even; what is too large becomes infinite. */
uint16_t tensor_float_to_half(float value);
uint16_t tensor_float_to_bfloat(float value);

/* The first element of stored floats that is not finite, or -1; integers always are. `data` may lie
 * at any address. */
int64_t tensor_find_not_finite(enum tensor_dtype dtype, const void *data, int64_t count);

struct tensor {
    enum tensor_dtype dtype; /* activations: TENSOR_F32 */
    int batch, frames, height, width;
    int channels;
    int stride;  /* elements from one pixel to the next; == channels unless this is a slice of
                    channels */
    float *data; /* first element, in the backend's memory */
    int slot;    /* the arena's own number; 0 for views and foreign memory */
};

int64_t tensor_images(const struct tensor *t); /* batch * frames */
int64_t tensor_pixels(const struct tensor *t); /* batch * frames * height * width */
int64_t tensor_count(const struct tensor *t);  /* pixels * channels */
bool tensor_same_shape(const struct tensor *a, const struct tensor *b);

/* Channels [first, first + count) of `t`, sharing its memory. */
struct tensor tensor_slice(const struct tensor *t, int first, int count);

/* Arena: one block of memory per shape. A forward is run once with `planning` set, where taking and
 * giving back only move offsets and find the peak; then the backend allocates that much once and
 * the same forward runs for real any number of times: the same sequence of calls gives the same
 * offsets, so nothing is allocated inside a step. */
struct arena_slot {
    size_t offset_bytes, size_bytes;
    int id; /* of the tensor that uses it; 0 = free */
};

struct arena {
    struct arena_slot *slots; /* sorted by offset; live and free neighbours */
    int slot_count, slot_capacity;
    int last_id;
    size_t peak_bytes;
    size_t live_bytes, live_peak_bytes; /* of the tensors alone, without gaps between them */
    size_t capacity_bytes;              /* of `base`; 0 while planning */
    unsigned char *base;                /* backend memory, owned by whoever allocated it */
    bool planning;
    bool overflow; /* a size did not fit size_t: the plan is refused */
};

#define ARENA_ALIGN_BYTES 64

void arena_init(struct arena *a);
void arena_finish(struct arena *a); /* not `base` */
void arena_plan(struct arena *a);   /* forget everything, start planning */
void arena_commit(struct arena *a, void *base, size_t capacity_bytes); /* planning ends */

/* A float32 tensor whose contents are undefined. */
struct tensor arena_take(struct arena *a, int batch, int frames, int height, int width,
                         int channels);
void arena_give(struct arena *a,
                struct tensor *t); /* NULL data and empty slot are fine; t is emptied */

#endif

/* tensor: what activations are made of.
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

#include "base/dtype.h"
#include "base/error.h"

/* One element of a stored tensor as float: exact for F16 and BF16. */
float tensor_half_to_float(uint16_t bits);
float tensor_bfloat_to_float(uint16_t bits);
/* To the nearest, ties to even; what is too large becomes infinite. */
uint16_t tensor_float_to_half(float value);
uint16_t tensor_float_to_bfloat(float value);

struct tensor {
    enum tensor_dtype dtype; /* activations: TENSOR_F32 */
    int batch, frames, height, width;
    int channels;
    int stride;  /* elements from one pixel to the next; == channels unless this is a slice of
                    channels */
    float *data; /* first element, in the backend's memory */
    int slot;    /* its number in the arena's plan, from 1; 0 for views and foreign memory */
};

int64_t tensor_images(const struct tensor *t); /* batch * frames */
int64_t tensor_pixels(const struct tensor *t); /* batch * frames * height * width */
int64_t tensor_count(const struct tensor *t);  /* pixels * channels */
bool tensor_same_shape(const struct tensor *a, const struct tensor *b);

/* Channels [first, first + count) of `t`, sharing its memory. */
struct tensor tensor_slice(const struct tensor *t, int first, int count);
/* Rows [first, first + count) of a single image, sharing its memory. */
struct tensor tensor_rows(const struct tensor *t, int first, int count);

#endif

/* dtype: what the elements of a stored tensor are. Pure; any thread. */
#ifndef ZOE_BASE_DTYPE_H
#define ZOE_BASE_DTYPE_H

#include <stddef.h>
#include <stdint.h>

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

/* The first element of stored floats that is not finite, or -1; integers always are. `data` may lie
 * at any address. */
int64_t tensor_find_not_finite(enum tensor_dtype dtype, const void *data, int64_t count);

#endif

#include "base/dtype.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[TENSOR_DTYPES] = {
    [TENSOR_F32] = {"F32", 4},         [TENSOR_F16] = {"F16", 2},
    [TENSOR_BF16] = {"BF16", 2},       [TENSOR_I64] = {"I64", 8},
    [TENSOR_U8] = {"U8", 1},           [TENSOR_F64] = {"F64", 8},
    [TENSOR_I32] = {"I32", 4},         [TENSOR_I16] = {"I16", 2},
    [TENSOR_I8] = {"I8", 1},           [TENSOR_BOOL] = {"BOOL", 1},
    [TENSOR_U64] = {"U64", 8},         [TENSOR_U32] = {"U32", 4},
    [TENSOR_U16] = {"U16", 2},         [TENSOR_F8_E4M3] = {"F8_E4M3", 1},
    [TENSOR_F8_E5M2] = {"F8_E5M2", 1},
};

const char *tensor_dtype_name(enum tensor_dtype dtype)
{
    return dtypes[dtype].name;
}

size_t tensor_dtype_size(enum tensor_dtype dtype)
{
    return dtypes[dtype].size;
}

/* An exponent of ones only: the bits under the mask are all set. A block is first looked at as a
 * whole, which compilers turn into a few instructions for many elements. */
#define FINITE_BLOCK 4096

static bool block_is_finite_16(const unsigned char *data, int64_t count, uint16_t mask)
{
    unsigned found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint16_t bits;
        memcpy(&bits, data + i * 2, sizeof bits);
        found |= (unsigned)((bits & mask) == mask);
    }
    return found == 0;
}

static bool block_is_finite_32(const unsigned char *data, int64_t count)
{
    unsigned found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, data + i * 4, sizeof bits);
        found |= (unsigned)((bits & 0x7f800000) == 0x7f800000);
    }
    return found == 0;
}

static bool block_is_finite_64(const unsigned char *data, int64_t count)
{
    unsigned found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint64_t bits;
        memcpy(&bits, data + i * 8, sizeof bits);
        found |= (unsigned)((bits & UINT64_C(0x7ff0000000000000)) == UINT64_C(0x7ff0000000000000));
    }
    return found == 0;
}

static bool block_is_finite(enum tensor_dtype dtype, const unsigned char *data, int64_t count)
{
    if (dtype == TENSOR_F32) return block_is_finite_32(data, count);
    if (dtype == TENSOR_F16) return block_is_finite_16(data, count, 0x7c00);
    if (dtype == TENSOR_BF16) return block_is_finite_16(data, count, 0x7f80);
    return dtype != TENSOR_F64 || block_is_finite_64(data, count);
}

int64_t tensor_find_not_finite(enum tensor_dtype dtype, const void *data, int64_t count)
{
    const unsigned char *bytes = data;
    const int64_t size = (int64_t)tensor_dtype_size(dtype);
    for (int64_t at = 0; at < count; at += FINITE_BLOCK) {
        const int64_t here = count - at < FINITE_BLOCK ? count - at : FINITE_BLOCK;
        if (block_is_finite(dtype, bytes + at * size, here)) continue;
        int64_t i = at;
        while (block_is_finite(dtype, bytes + i * size, 1))
            i++;
        return i;
    }
    return -1;
}

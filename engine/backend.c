#include "engine/backend.h"

#include <string.h>

#include "base/xalloc.h"

static float element(const struct weight_array *a, int64_t at)
{
    const unsigned char *bytes = a->data;
    uint16_t bits;
    float value;
    if (a->dtype == TENSOR_F32) {
        memcpy(&value, bytes + 4 * at, 4);
        return value;
    }
    memcpy(&bits, bytes + 2 * at, 2);
    return a->dtype == TENSOR_F16 ? tensor_half_to_float(bits) : tensor_bfloat_to_float(bits);
}

void weight_array_read(const struct weight_array *a, int64_t first, int64_t count, float *out)
{
    ZOE_ASSERT(a->dtype == TENSOR_F32 || a->dtype == TENSOR_F16 || a->dtype == TENSOR_BF16);
    ZOE_ASSERT(first >= 0 && count >= 0 && first + count <= a->count);
    for (int64_t i = 0; i < count; i++)
        out[i] = element(a, first + i);
}

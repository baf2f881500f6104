#include "engine/tensor.h"

#include <string.h>

#include "base/xalloc.h"

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float tensor_half_to_float(uint16_t bits)
{
    const uint32_t sign = (uint32_t)(bits & 0x8000) << 16;
    const uint32_t exponent = (bits >> 10) & 0x1f;
    const uint32_t mantissa = bits & 0x3ff;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
    if (exponent != 0) return float_of_bits(sign | (exponent + 112) << 23 | mantissa << 13);
    /* Zero and subnormals: mantissa * 2^-24 is exact in float32. */
    const float value = (float)mantissa * 0x1p-24f;
    return sign != 0 ? -value : value;
}

float tensor_bfloat_to_float(uint16_t bits)
{
    return float_of_bits((uint32_t)bits << 16);
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* `bits` without its last `count` bits, to the nearest, ties to even. */
static uint32_t round_off(uint32_t bits, unsigned count)
{
    const uint32_t half = UINT32_C(1) << (count - 1), odd = bits >> count & 1;
    return (bits + half - 1 + odd) >> count;
}

uint16_t tensor_float_to_half(float value)
{
    const uint32_t bits = bits_of_float(value), sign = bits >> 16 & 0x8000;
    const uint32_t magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);  /* not a number */
    if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 2^16 and above */
    if (magnitude >= 0x38800000)                                   /* normal: 2^-14 and above */
        return (uint16_t)(sign | round_off(magnitude - 0x38000000, 13));
    if (magnitude < 0x33000000) return (uint16_t)sign; /* below half of the smallest */
    const uint32_t mantissa = (magnitude & 0x7fffff) | 0x800000;
    return (uint16_t)(sign | round_off(mantissa, 126 - (magnitude >> 23)));
}

uint16_t tensor_float_to_bfloat(float value)
{
    const uint32_t bits = bits_of_float(value);
    if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)round_off(bits, 16);
}

int64_t tensor_images(const struct tensor *t)
{
    return (int64_t)t->batch * t->frames;
}

int64_t tensor_pixels(const struct tensor *t)
{
    return tensor_images(t) * t->height * t->width;
}

int64_t tensor_count(const struct tensor *t)
{
    return tensor_pixels(t) * t->channels;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->batch == b->batch && a->frames == b->frames && a->height == b->height &&
           a->width == b->width && a->channels == b->channels;
}

struct tensor tensor_slice(const struct tensor *t, int first, int count)
{
    ZOE_ASSERT(first >= 0 && count > 0 && first + count <= t->channels);
    struct tensor slice = *t;
    slice.channels = count;
    slice.slot = 0;
    if (slice.data != NULL) slice.data += first;
    return slice;
}

struct tensor tensor_rows(const struct tensor *t, int first, int count)
{
    ZOE_ASSERT(tensor_images(t) == 1 && first >= 0 && count > 0 && first + count <= t->height);
    struct tensor rows = *t;
    rows.height = count;
    rows.slot = 0;
    if (rows.data != NULL) rows.data += (int64_t)first * t->width * t->stride;
    return rows;
}

#include "engine/noise/philox4x32.h"

#include <math.h>
#include <string.h>

#define ROUNDS 10
#define TWO_PI 6.283185307179586

static void round_once(uint32_t c[4], uint32_t key0, uint32_t key1)
{
    const uint64_t a = (uint64_t)UINT32_C(0xd2511f53) * c[0];
    const uint64_t b = (uint64_t)UINT32_C(0xcd9e8d57) * c[2];
    const uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ key0, (uint32_t)b,
                              (uint32_t)(a >> 32) ^ c[3] ^ key1, (uint32_t)a};
    memcpy(c, next, sizeof next);
}

void philox4x32(const uint32_t counter[4], uint64_t key, uint32_t out[4])
{
    uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
    memcpy(out, counter, 4 * sizeof *out);
    for (int i = 0; i < ROUNDS; i++) {
        round_once(out, key0, key1);
        key0 += UINT32_C(0x9e3779b9);
        key1 += UINT32_C(0xbb67ae85);
    }
}

static void pair(uint32_t x, uint32_t y, float out[2])
{
    const float u = (float)x * 0x1p-32f + 0x1p-33f;
    const float v = (float)y * (float)(TWO_PI * 0x1p-32) + (float)(TWO_PI * 0x1p-33);
    const float radius = sqrtf(-2 * logf(u));
    out[0] = radius * sinf(v);
    out[1] = radius * cosf(v);
}

void philox4x32_normal(const uint32_t words[4], float out[4])
{
    pair(words[0], words[1], out);
    pair(words[2], words[3], out + 2);
}

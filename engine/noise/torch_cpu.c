/* torch-cpu: the stream of torch.Generator("cpu") in float32: MT19937 (M. Matsumoto, T. Nishimura,
 * 1998) and the two forms of Box-Muller that torch.randn uses, in blocks of 16 for 16 numbers and
 * more, in pairs for fewer. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/noise/noise.h"

#define WORDS 624
#define SHIFT 397
#define BLOCK 16
#define TWO_PI 6.283185307179586

struct noise_state {
    uint32_t words[WORDS];
    int next;
    bool has_spare; /* of the pairwise form; it survives until the next small call */
    double spare;
};

static struct noise_state *torch_begin(uint64_t seed)
{
    struct noise_state *s = xcalloc(1, sizeof *s);
    s->words[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < WORDS; j++)
        s->words[j] = UINT32_C(1812433253) * (s->words[j - 1] ^ s->words[j - 1] >> 30) + j;
    s->next = WORDS;
    return s;
}

static void torch_end(struct noise_state *s)
{
    free(s);
}

static void twist(struct noise_state *s)
{
    for (int i = 0; i < WORDS; i++) {
        const uint32_t y = (s->words[i] & UINT32_C(0x80000000)) |
                           (s->words[(i + 1) % WORDS] & UINT32_C(0x7fffffff));
        s->words[i] =
            s->words[(i + SHIFT) % WORDS] ^ y >> 1 ^ ((y & 1) != 0 ? UINT32_C(0x9908b0df) : 0);
    }
    s->next = 0;
}

static uint32_t next_word(struct noise_state *s)
{
    if (s->next == WORDS) twist(s);
    uint32_t y = s->words[s->next++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

static float next_uniform(struct noise_state *s)
{
    return (float)(next_word(s) & 0xffffff) * 0x1p-24f;
}

static double next_uniform_double(struct noise_state *s)
{
    const uint64_t high = next_word(s), low = next_word(s);
    return (double)((high << 32 | low) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

static void transform_block(float *d)
{
    for (int j = 0; j < BLOCK / 2; j++) {
        const float radius = sqrtf(-2 * logf(1 - d[j]));
        const float angle = (float)TWO_PI * d[j + BLOCK / 2];
        d[j] = radius * cosf(angle);
        d[j + BLOCK / 2] = radius * sinf(angle);
    }
}

static void normal_blocks(struct noise_state *s, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = next_uniform(s);
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK)
        transform_block(out + i);
    if (count % BLOCK == 0) return;
    float *tail = out + count - BLOCK;
    for (int i = 0; i < BLOCK; i++)
        tail[i] = next_uniform(s);
    transform_block(tail);
}

static float next_of_pair(struct noise_state *s)
{
    if (s->has_spare) {
        s->has_spare = false;
        return (float)s->spare;
    }
    const double angle = TWO_PI * next_uniform_double(s);
    const double radius = sqrt(-2 * log1p(-next_uniform_double(s)));
    s->spare = radius * sin(angle);
    s->has_spare = true;
    return (float)(radius * cos(angle));
}

static void torch_normal(struct noise_state *s, float *out, size_t count)
{
    if (count >= BLOCK) {
        normal_blocks(s, out, count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = next_of_pair(s);
}

/* ---- position: words, next, has_spare, the bits of spare; little endian ---- */

#define POSITION_BYTES (4 * WORDS + 4 + 1 + 8)

static void put(struct buf *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buf_append_char(out, (char)(value >> (8 * i) & 0xff));
}

static uint64_t take(const uint8_t **at, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t) * (*at)++ << (8 * i);
    return value;
}

static void torch_save(const struct noise_state *s, struct buf *out)
{
    uint64_t spare;
    memcpy(&spare, &s->spare, sizeof spare);
    for (int i = 0; i < WORDS; i++)
        put(out, s->words[i], 4);
    put(out, (uint64_t)s->next, 4);
    put(out, s->has_spare, 1);
    put(out, spare, 8);
}

static bool torch_load(struct noise_state *s, const uint8_t *bytes, size_t size)
{
    struct noise_state read;
    if (size != POSITION_BYTES) return false;
    for (int i = 0; i < WORDS; i++)
        read.words[i] = (uint32_t)take(&bytes, 4);
    const uint64_t next = take(&bytes, 4), has_spare = take(&bytes, 1), spare = take(&bytes, 8);
    read.next = (int)next;
    read.has_spare = has_spare == 1;
    memcpy(&read.spare, &spare, sizeof read.spare);
    if (next > WORDS || has_spare > 1 || !isfinite(read.spare)) return false;
    *s = read;
    return true;
}

extern const struct noise noise_torch_cpu;
const struct noise noise_torch_cpu = {"torch-cpu",  torch_begin, torch_end,
                                      torch_normal, torch_save,  torch_load};

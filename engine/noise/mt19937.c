#include "engine/noise/mt19937.h"

#include <math.h>
#include <string.h>

#define WORDS MT19937_WORDS
#define SHIFT 397
#define TWO_PI 6.283185307179586
#define POSITION_BYTES (4 * WORDS + 4 + 1 + 8)

void mt19937_begin(struct mt19937 *g, uint64_t seed)
{
    memset(g, 0, sizeof *g);
    g->words[0] = (uint32_t)seed;
    for (uint32_t j = 1; j < WORDS; j++)
        g->words[j] = UINT32_C(1812433253) * (g->words[j - 1] ^ g->words[j - 1] >> 30) + j;
    g->next = WORDS;
}

static void twist(struct mt19937 *g)
{
    for (int i = 0; i < WORDS; i++) {
        const uint32_t y = (g->words[i] & UINT32_C(0x80000000)) |
                           (g->words[(i + 1) % WORDS] & UINT32_C(0x7fffffff));
        g->words[i] =
            g->words[(i + SHIFT) % WORDS] ^ y >> 1 ^ ((y & 1) != 0 ? UINT32_C(0x9908b0df) : 0);
    }
    g->next = 0;
}

uint32_t mt19937_next(struct mt19937 *g)
{
    if (g->next == WORDS) twist(g);
    uint32_t y = g->words[g->next++];
    y ^= y >> 11;
    y ^= y << 7 & UINT32_C(0x9d2c5680);
    y ^= y << 15 & UINT32_C(0xefc60000);
    return y ^ y >> 18;
}

static double uniform(struct mt19937 *g)
{
    const uint64_t high = mt19937_next(g), low = mt19937_next(g);
    return (double)((high << 32 | low) & ((UINT64_C(1) << 53) - 1)) * 0x1p-53;
}

double mt19937_normal(struct mt19937 *g)
{
    if (g->has_spare) {
        g->has_spare = false;
        return g->spare;
    }
    const double angle = TWO_PI * uniform(g);
    const double radius = sqrt(-2 * log1p(-uniform(g)));
    g->spare = radius * sin(angle);
    g->has_spare = true;
    return radius * cos(angle);
}

/* ---- position ---- */

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

void mt19937_save(const struct mt19937 *g, struct buf *out)
{
    uint64_t spare;
    memcpy(&spare, &g->spare, sizeof spare);
    for (int i = 0; i < WORDS; i++)
        put(out, g->words[i], 4);
    put(out, (uint64_t)g->next, 4);
    put(out, g->has_spare, 1);
    put(out, spare, 8);
}

bool mt19937_load(struct mt19937 *g, const uint8_t *bytes, size_t size)
{
    struct mt19937 read;
    if (size != POSITION_BYTES) return false;
    for (int i = 0; i < WORDS; i++)
        read.words[i] = (uint32_t)take(&bytes, 4);
    const uint64_t next = take(&bytes, 4), has_spare = take(&bytes, 1), spare = take(&bytes, 8);
    read.next = (int)next;
    read.has_spare = has_spare == 1;
    memcpy(&read.spare, &spare, sizeof read.spare);
    if (next > WORDS || has_spare > 1 || !isfinite(read.spare)) return false;
    *g = read;
    return true;
}

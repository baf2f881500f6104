/* mt19937: the Mersenne Twister (M. Matsumoto, T. Nishimura, 1998) as torch.Generator("cpu") keeps
 * it, with the spare number of its pairwise normal numbers. */
#ifndef ZOE_ENGINE_NOISE_MT19937_H
#define ZOE_ENGINE_NOISE_MT19937_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define MT19937_WORDS 624

struct mt19937 {
    uint32_t words[MT19937_WORDS];
    int next;
    bool has_spare; /* of next_of_pair; it survives until the next small call */
    double spare;
};

void mt19937_begin(struct mt19937 *g, uint64_t seed); /* the low 32 bits of the seed count */
uint32_t mt19937_next(struct mt19937 *g);
/* A normal number by torch's pairwise rule for fewer than 16 of them: in double precision. */
double mt19937_normal(struct mt19937 *g);

/* The position as bytes: words, next, has_spare, the bits of spare; little endian. */
void mt19937_save(const struct mt19937 *g, struct buf *out);
bool mt19937_load(struct mt19937 *g, const uint8_t *bytes, size_t size);

#endif

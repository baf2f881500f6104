/* chance: the one source of accidents in a simulated history; the same seed, the same accidents. */
#ifndef ZOE_TESTS_SIMULATION_CHANCE_H
#define ZOE_TESTS_SIMULATION_CHANCE_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

/* xorshift64* (Vigna 2016); the state is never 0. */
static inline uint64_t chance_next(struct chance *c)
{
    c->state ^= c->state >> 12;
    c->state ^= c->state << 25;
    c->state ^= c->state >> 27;
    return c->state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void chance_seed(struct chance *c, uint64_t seed)
{
    c->state = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    for (int i = 0; i < 8; i++)
        (void)chance_next(c);
}

/* 0 .. bound - 1 */
static inline uint32_t chance_below(struct chance *c, uint32_t bound)
{
    return (uint32_t)((chance_next(c) >> 33) % bound);
}

static inline bool chance_one_in(struct chance *c, uint32_t n)
{
    return chance_below(c, n) == 0;
}

/* from .. to - 1 */
static inline int64_t chance_between(struct chance *c, int64_t from, int64_t to)
{
    return from + (int64_t)(chance_next(c) % (uint64_t)(to - from));
}

#endif

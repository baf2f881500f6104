/* philox4x32: the counter-based generator Philox4x32-10 (J. Salmon et al., "Parallel Random
 * Numbers: As Easy as 1, 2, 3", 2011) and normal numbers from its words as cuRAND makes them. Pure.
 */
#ifndef ZOE_ENGINE_NOISE_PHILOX4X32_H
#define ZOE_ENGINE_NOISE_PHILOX4X32_H

#include <stdint.h>

void philox4x32(const uint32_t counter[4], uint64_t key, uint32_t out[4]);

/* Two normal numbers from words 0 and 1, two from 2 and 3: radius times sine, then cosine. */
void philox4x32_normal(const uint32_t words[4], float out[4]);

#endif

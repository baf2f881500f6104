/* noise: where the start noise comes from. A table of generators; the same seed gives the same
 * numbers on every machine (to the last digits of log and cos). */
#ifndef ZOE_ENGINE_NOISE_NOISE_H
#define ZOE_ENGINE_NOISE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct noise_state;

struct noise {
    const char *name; /* "torch-cpu": the recipe's */
    struct noise_state *(*begin)(uint64_t seed);
    void (*end)(struct noise_state *state); /* NULL is fine */
    /* The next `count` standard normal numbers. How a stream is cut into calls matters, as it does
     * in the reference. */
    void (*normal)(struct noise_state *state, float *out, size_t count);
    /* Where the stream is, as bytes that are the same on every machine, and back. False when the
     * bytes are not such. */
    void (*save)(const struct noise_state *state, struct buf *out);
    bool (*load)(struct noise_state *state, const uint8_t *bytes, size_t size);
};

const struct noise *noise_find(const char *name); /* NULL when unknown */
const struct noise *const *noise_all(int *count_out);

#endif

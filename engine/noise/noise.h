/* noise: where the start noise and the fresh noise of steps come from. A table of generators; the
 * same seed gives the same numbers on every machine (to the last digits of log and cos). Streams
 * give what comes next, as the reference's generators do; placed noise depends on where it goes
 * only, so that windows, batches and workers agree about it. */
#ifndef ZOE_ENGINE_NOISE_NOISE_H
#define ZOE_ENGINE_NOISE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct noise_state;

struct noise_setup {
    uint64_t seed;
    int64_t cuda_threads; /* of the kind cuda: threads that a card runs at once */
};

/* What noise is for: another stream each. The numbers are part of `indexed`. */
enum noise_purpose {
    NOISE_START,
    NOISE_STEP,
    NOISE_ENCODE,
    NOISE_RETURN /* put back where steps are run again */
};

struct noise_place {
    enum noise_purpose purpose;
    int step;       /* of the whole schedule; 0 unless NOISE_STEP or NOISE_RETURN */
    int frame;      /* absolute, of the clip */
    int repetition; /* of a step that is run again; else 0 */
};

struct noise {
    const char *name;    /* "torch-cpu": the recipe's */
    bool counts_threads; /* needs the setup's cuda_threads; others take none */
    struct noise_state *(*begin)(const struct noise_setup *setup);
    void (*end)(struct noise_state *state); /* NULL is fine */

    /* Streams: the next `count` standard normal numbers. How a stream is cut into calls matters, as
     * it does in the reference. NULL for placed noise. */
    void (*normal)(struct noise_state *state, float *out, size_t count);
    /* Streams whose `normal` is of half precision: the same in float32, which one scheduler draws
     * all the same. NULL: no difference. */
    void (*normal_float)(struct noise_state *state, float *out, size_t count);
    /* Placed: one frame's values, [channels][height][width]. NULL for streams. */
    void (*frame)(const struct noise_state *state, const struct noise_place *place, float *out,
                  size_t count);

    /* Where a stream is, as bytes that are the same on every machine, and back. False when the
     * bytes are not such. */
    void (*save)(const struct noise_state *state, struct buf *out);
    bool (*load)(struct noise_state *state, const uint8_t *bytes, size_t size);
};

const struct noise *noise_find(const char *name); /* NULL when unknown */
const struct noise *const *noise_all(int *count_out);

#endif

/* indexed: noise that depends on seed, purpose, step, absolute frame and place in the frame, and on
 * nothing else: windows, batches, workers and orders agree about it. */
#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "engine/noise/noise.h"
#include "engine/noise/philox4x32.h"

struct noise_state {
    uint64_t seed;
};

static struct noise_state *begin(const struct noise_setup *setup)
{
    struct noise_state *s = xcalloc(1, sizeof *s);
    s->seed = setup->seed;
    return s;
}

static void end(struct noise_state *s)
{
    free(s);
}

static void frame(const struct noise_state *s, const struct noise_place *place, float *out,
                  size_t count)
{
    const uint32_t what = (uint32_t)place->purpose | (uint32_t)place->repetition << 8;
    for (size_t i = 0; i < count; i += 4) {
        const uint32_t counter[4] = {(uint32_t)(i / 4), (uint32_t)place->frame, what,
                                     (uint32_t)place->step};
        uint32_t words[4];
        float four[4];
        philox4x32(counter, s->seed, words);
        philox4x32_normal(words, four);
        memcpy(out + i, four, (count - i < 4 ? count - i : 4) * sizeof *out);
    }
}

/* There is no position. */
static void save(const struct noise_state *s, struct buf *out)
{
    (void)s;
    (void)out;
}

static bool load(struct noise_state *s, const uint8_t *bytes, size_t size)
{
    (void)s;
    (void)bytes;
    return size == 0;
}

extern const struct noise noise_indexed;
const struct noise noise_indexed = {
    .name = "indexed", .begin = begin, .end = end, .frame = frame, .save = save, .load = load};

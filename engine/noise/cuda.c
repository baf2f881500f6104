/* cuda, philox: what torch.randn draws on a GPU. Thread i of T draws four numbers at a time and
 * writes them to elements i, i + T, i + 2T and i + 3T, then goes on 4T further with the next
 * counter; a call moves the counter on by as many as its threads used.
 *
 * `philox` has a thread for every element, so only the first of four numbers is used: what the GPU
 * seeds of A1111 and stable-diffusion.cpp are, and what a card gives as long as the tensor is not
 * larger than its T. `cuda` takes T from the recipe, in blocks of 256: whether that is what a card
 * does was not checked on one. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "engine/noise/noise.h"
#include "engine/noise/philox4x32.h"

#define BLOCK_THREADS 256
#define POSITION_BYTES 8

struct noise_state {
    uint64_t seed, calls; /* counters that are used up */
    int64_t threads_max;  /* 0: as many as elements */
};

static struct noise_state *begin(const struct noise_setup *setup, int64_t threads_max)
{
    struct noise_state *s = xcalloc(1, sizeof *s);
    s->seed = setup->seed;
    s->threads_max = threads_max;
    return s;
}

static struct noise_state *philox_begin(const struct noise_setup *setup)
{
    return begin(setup, 0);
}

static struct noise_state *cuda_begin(const struct noise_setup *setup)
{
    return begin(setup, setup->cuda_threads);
}

static void end(struct noise_state *s)
{
    free(s);
}

static size_t thread_count(const struct noise_state *s, size_t count)
{
    const size_t wanted = (count + BLOCK_THREADS - 1) / BLOCK_THREADS * BLOCK_THREADS;
    return s->threads_max > 0 && (size_t)s->threads_max < wanted ? (size_t)s->threads_max : wanted;
}

/* Elements first + thread, + T, + 2T, + 3T, as far as they exist. */
static void draw_four(const struct noise_state *s, uint64_t offset, size_t thread, size_t threads,
                      size_t first, float *out, size_t count)
{
    const uint32_t counter[4] = {(uint32_t)offset, (uint32_t)(offset >> 32), (uint32_t)thread, 0};
    uint32_t words[4];
    float four[4];
    philox4x32(counter, s->seed, words);
    philox4x32_normal(words, four);
    for (size_t k = 0; k < 4; k++)
        if (first + thread + k * threads < count) out[first + thread + k * threads] = four[k];
}

static void normal(struct noise_state *s, float *out, size_t count)
{
    const size_t threads = thread_count(s, count);
    for (size_t first = 0; first < count; first += 4 * threads, s->calls++)
        for (size_t thread = 0; thread < threads && first + thread < count; thread++)
            draw_four(s, s->calls, thread, threads, first, out, count);
}

static void save(const struct noise_state *s, struct buf *out)
{
    for (int i = 0; i < POSITION_BYTES; i++)
        buf_append_char(out, (char)(s->calls >> (8 * i) & 0xff));
}

static bool load(struct noise_state *s, const uint8_t *bytes, size_t size)
{
    if (size != POSITION_BYTES) return false;
    s->calls = 0;
    for (int i = 0; i < POSITION_BYTES; i++)
        s->calls |= (uint64_t)bytes[i] << (8 * i);
    return true;
}

extern const struct noise noise_philox, noise_cuda;
const struct noise noise_philox = {.name = "philox",
                                   .begin = philox_begin,
                                   .end = end,
                                   .normal = normal,
                                   .save = save,
                                   .load = load};
const struct noise noise_cuda = {.name = "cuda",
                                 .counts_threads = true,
                                 .begin = cuda_begin,
                                 .end = end,
                                 .normal = normal,
                                 .save = save,
                                 .load = load};

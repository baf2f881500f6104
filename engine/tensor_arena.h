/* tensor_arena: the memory in which a forward's tensors live, one block for all of them.
 *
 * A forward is run once while planning: taking and giving back only note how large each tensor is
 * and how long it lives. Then places are chosen for all of them together, so that those that live
 * at the same time lie apart and the whole is as small as can be (largest first, each at the lowest
 * place that is free all its life: Pisarchyk and Lee, arXiv 2001.03288). The same sequence of calls
 * later finds its tensors there, as often as wanted, and nothing is allocated inside a step. */
#ifndef ZOE_ENGINE_TENSOR_ARENA_H
#define ZOE_ENGINE_TENSOR_ARENA_H

#include "engine/tensor.h"

#define ARENA_ALIGN_BYTES 64

struct arena_span { /* one tensor of a plan */
    size_t size_bytes, offset_bytes;
    int born, died; /* on a clock that ticks with every take and give */
};

struct arena_plan { /* zero-initialised is empty */
    struct arena_span *spans;
    int count, capacity;
    size_t peak_bytes; /* of the block */
    size_t live_bytes; /* most that tensors hold at one time */
    bool overflow;     /* a size did not fit size_t: the plan is refused */
};

void arena_plan_finish(struct arena_plan *p);

struct arena { /* zero-initialised is empty; owns nothing */
    struct arena_plan *plan;
    bool planning;
    int next, clock; /* tensor of the plan; events so far */
    size_t live_bytes;
    unsigned char *base; /* backend memory of plan->peak_bytes at least */
};

void arena_begin(struct arena *a, struct arena_plan *plan); /* empties the plan, fills it */
void arena_end(struct arena *a);                            /* planning ends: places are chosen */
void arena_run(struct arena *a, struct arena_plan *plan, void *base);

/* A float32 tensor whose contents are undefined; data NULL while planning. */
struct tensor arena_take(struct arena *a, int batch, int frames, int height, int width,
                         int channels);
void arena_give(struct arena *a, struct tensor *t); /* an empty one is fine; t is emptied */

#endif

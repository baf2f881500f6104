/* checkpoint_pace: how often a running attempt is saved. Saving costs it less than
 * CHECKPOINT_TIME_PERCENT of its time, and a worker less than CHECKPOINT_BYTES_PER_S to send, both
 * on average since the attempt began: what it has not spent yet it may spend later. So every K
 * steps, and K follows from what a step and a checkpoint take.
 *
 * Pure: no clock, no I/O. */
#ifndef ZOE_WORKER_CHECKPOINT_PACE_H
#define ZOE_WORKER_CHECKPOINT_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Not more often, however cheap it is: whoever takes one in has to check it. */
#define CHECKPOINT_INTERVAL_NS INT64_C(300000000)

struct checkpoint_pace {
    int64_t begun_ns; /* 0 = not begun */
    int64_t last_ns;  /* of the last one, or it began */
    unsigned slots;   /* that share the worker's bytes; 0 = no checkpoints */
    int64_t cost_ns;  /* of the next one: as the last one, or a guess */
    uint64_t cost_bytes;
    int64_t spent_ns;
    uint64_t spent_bytes;
};

/* Denoising begins. `bytes`: about so large is a checkpoint. */
void checkpoint_pace_begin(struct checkpoint_pace *p, uint64_t bytes, unsigned slots,
                           int64_t now_ns);
/* Step `step` of `steps` is done at `now_ns`, or will be: is it time then? Never when nothing is
 * left to compute. */
bool checkpoint_pace_is_due(const struct checkpoint_pace *p, uint32_t step, uint32_t steps,
                            int64_t now_ns);
/* One was asked for, and will be written at `now_ns`. */
void checkpoint_pace_asked(struct checkpoint_pace *p, int64_t now_ns);
void checkpoint_pace_saved(struct checkpoint_pace *p, int64_t took_ns, uint64_t bytes);

#endif

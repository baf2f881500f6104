/* plan_run: all tasks of a clip in one process, in the order of their numbers: for measuring, and
 * as what any farm must agree with to the bit. Blocks. */
#ifndef ZOE_WORKER_PLAN_RUN_H
#define ZOE_WORKER_PLAN_RUN_H

#include <jansson.h>

#include "base/plan.h"
#include "engine/engine.h"

struct plan_run_options {
    const char *models[2]; /* folders of the model and, for `upscale`, of the second one */
    const char *out;       /* folder, made if absent */
    struct engine_options engine;
    const char *init_raw,
        *mask_raw;          /* of the whole clip, as zoe-media frames leaves them; or NULL */
    const char *held;       /* latents of the clip that is extended, or NULL */
    const char *before_raw; /* or the frames before the first new one; or NULL */
};

/* Told of each task when it is done. */
typedef void plan_run_done_fn(const struct plan_task *task, double seconds);

/* `recipe` is filled and `plan` is its plan. In `out` it leaves latents.N.safetensors and
 * segment.N.mkv of task N, as a worker would, and frames.raw: the frames made, in order, RGB24. */
bool plan_run(const json_t *recipe, const struct plan *plan, const struct plan_run_options *options,
              plan_run_done_fn *done, struct error *err);

#endif

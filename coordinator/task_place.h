/* task_place: where a task stands in its clip: the clip's plan and recipe, the model of its stage.
 * Asks prompts and core. Loop thread. */
#ifndef ZOE_COORDINATOR_TASK_PLACE_H
#define ZOE_COORDINATOR_TASK_PLACE_H

#include "base/plan.h"
#include "coordinator/prompts.h"
#include "coordinator/record.h"

struct coordinator;

struct task_place {
    struct shape shape; /* of the clip's group */
    struct plan_task task;
    bool is_whole;              /* the clip is one window, without a plan */
    struct prompts_text recipe; /* of the whole clip, owned */
    double fps;                 /* the shape keeps whole ones only */
    struct digest recipe_digest;
    struct digest model; /* of the task's stage */
    const char *model_name;
    uint32_t width, height, steps;
};

/* ERROR_NOT_FOUND: there is no such batch, clip or task. Call task_place_finish in each case. */
bool task_place_find(struct task_place *out, struct coordinator *c, const struct task_key *key,
                     struct error *err);
void task_place_finish(struct task_place *p); /* may be called again */

/* The text of the tag that its segment carries; "" for a task that is alone: its segment has none.
 */
void task_place_text(const struct task_place *p, char out[PLAN_PLACE_SIZE]);

/* The shape of a clip without anything of its recipe. */
bool task_place_shape(struct coordinator *c, const char *batch, uint32_t clip, struct shape *out,
                      struct error *err);

#endif

/* engine_task: which task of a clip a render message asks for, and what it takes: the message's
 * words and files as the engine wants them. */
#ifndef ZOE_WORKER_ENGINE_TASK_H
#define ZOE_WORKER_ENGINE_TASK_H

#include <jansson.h>

#include "base/plan.h"
#include "base/recipe.h"
#include "engine/engine.h"
#include "media/frames.h"

struct engine_task {
    const json_t *message; /* borrowed */
    struct plan plan;
    struct plan_task task;
    bool is_part;                  /* of a plan; one that extends a clip may be alone in it */
    json_t *recipe;                /* what the task renders: that of its stage */
    char digest[DIGEST_TEXT_SIZE]; /* of the clip's recipe */
    char place[PLAN_PLACE_SIZE];
};

/* `message` is borrowed for life. ERROR_USAGE when there is no such task. */
bool engine_task_read(struct engine_task *t, const json_t *message, struct error *err);
void engine_task_finish(struct engine_task *t);

/* A new job of it: every file that it takes is read here. ERROR_FAILED, not ERROR_INVALID, for one
 * that cannot be used: the model is not at fault. */
struct engine_job *engine_task_job(const struct engine_task *t, struct engine_model *model,
                                   struct error *err);

/* The frames that it makes, of those that its job has: [first, first + shape->count). */
bool engine_task_frames(const struct engine_task *t, const struct engine_shape *job, int *first,
                        struct frames_shape *shape, struct error *err);

#endif

#include "coordinator/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* Without padding, which may hold anything. */
struct lane_key {
    struct digest model;
    struct digest loras;
    uint32_t numbers[7];
};

/* The steps between two exchanges of `windows`; all of them else. */
static uint32_t steps_at_once(const struct plan *plan, uint32_t stage, uint32_t steps)
{
    bool in_rounds = plan->method == PLAN_WINDOWS || (plan->method == PLAN_UPSCALE && stage == 1);
    return in_rounds && plan->sync_every < steps ? plan->sync_every : steps;
}

static struct lane_key key_of(const struct shape *shape, uint32_t stage)
{
    const struct plan *plan = &shape->plan;
    if (stage == 0)
        return (struct lane_key){shape->model,
                                 shape->loras,
                                 {shape->width, shape->height, plan->window,
                                  steps_at_once(plan, stage, shape->steps), shape->steps,
                                  shape->fps, plan->resample_times}};
    return (struct lane_key){shape->second_model,
                             {{0}},
                             {shape->second_width, shape->second_height, plan->window,
                              steps_at_once(plan, stage, shape->second_steps), shape->second_steps,
                              shape->fps, plan->resample_times}};
}

struct lane *lane_of(struct farm *f, const struct shape *shape, uint32_t stage)
{
    struct lane_key key = key_of(shape, stage);
    struct lane *lane = table_get(&f->lanes, &key, sizeof(key));
    if (lane != NULL) return lane;
    lane = xcalloc(1, sizeof(*lane));
    lane->model = key.model;
    lane->loras = key.loras;
    lane->width = key.numbers[0];
    lane->height = key.numbers[1];
    lane->window = key.numbers[2];
    lane->steps = key.numbers[3];
    heap_init(&lane->ready);
    chain_init(&lane->in_ready);
    (void)table_set(&f->lanes, &key, sizeof(key), lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    heap_finish(&lane->ready);
    free(lane);
}

void lane_put(struct farm *f, struct lane *lane, struct heap_node *stand, int64_t order)
{
    if (stand->index == HEAP_OUT) heap_set(&lane->ready, stand, order);
    if (chain_is_empty(&lane->in_ready)) chain_append(&f->ready, &lane->in_ready);
}

void lane_take(struct lane *lane, struct heap_node *stand)
{
    heap_remove(&lane->ready, stand);
    if (heap_first(&lane->ready) == NULL) chain_remove(&lane->in_ready);
}

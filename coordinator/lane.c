#include "coordinator/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"

/* A key without the padding and the tail of the name, which may hold anything. */
struct lane_key {
    struct digest model;
    struct digest loras;
    uint32_t numbers[5];
};

struct lane *lane_of(struct farm *f, const struct shape *shape)
{
    struct lane_key key = {
        .model = shape->model,
        .loras = shape->loras,
        .numbers = {shape->width, shape->height, shape->frames, shape->steps, shape->fps}};
    struct lane *lane = table_get(&f->lanes, &key, sizeof(key));
    if (lane != NULL) return lane;
    lane = xcalloc(1, sizeof(*lane));
    lane->shape = *shape;
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

void lane_put(struct farm *f, struct lane *lane, struct heap_node *group, int64_t order)
{
    if (group->index == HEAP_OUT) heap_set(&lane->ready, group, order);
    if (chain_is_empty(&lane->in_ready)) chain_append(&f->ready, &lane->in_ready);
}

void lane_take(struct lane *lane, struct heap_node *group)
{
    heap_remove(&lane->ready, group);
    if (heap_first(&lane->ready) == NULL) chain_remove(&lane->in_ready);
}

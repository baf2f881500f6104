#include "coordinator/lane.h"

#include <stdlib.h>
#include <string.h>

#include "base/xalloc.h"
#include "coordinator/batch.h"
#include "coordinator/proof.h"

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
    uint64_t memory = stage == 0 ? shape->memory_bytes : shape->second_memory_bytes;
    if (lane != NULL) {
        if (memory > lane->memory_bytes) lane->memory_bytes = memory;
        return lane;
    }
    lane = xcalloc(1, sizeof(*lane));
    lane->memory_bytes = memory;
    lane->model = key.model;
    lane->loras = key.loras;
    lane->width = key.numbers[0];
    lane->height = key.numbers[1];
    lane->window = key.numbers[2];
    lane->steps = key.numbers[3];
    lane->canary = proof_canary_of(f, &lane->model);
    chain_init(&lane->tiers);
    chain_init(&lane->in_ready);
    (void)table_set(&f->lanes, &key, sizeof(key), lane);
    return lane;
}

void lane_free(struct lane *lane)
{
    free(lane);
}

bool lane_is_alike(const struct lane *a, const struct lane *b)
{
    return a == b || (digest_equal(&a->model, &b->model) && digest_equal(&a->loras, &b->loras) &&
                      a->width == b->width && a->height == b->height);
}

/* ---- owners ---- */

struct owner *lane_owner(struct farm *f, const char *name)
{
    struct owner *owner = table_get_text(&f->owners, name);
    if (owner != NULL) return owner;
    owner = xcalloc(1, sizeof(*owner));
    owner->number = (uint32_t)f->owners.count;
    owner->share = SHARE_DEFAULT;
    owner->key = owner->number;
    (void)table_set_text(&f->owners, name, owner);
    return owner;
}

static void move_in_tier(struct tier *tier, const struct owner *owner)
{
    for (size_t i = 0; i < tier->shelves.count; i++) {
        struct shelf *shelf = tier->shelves.nodes[i]->owner;
        if (shelf->owner != owner) continue;
        heap_set(&tier->shelves, &shelf->in_tier, owner->key);
        return;
    }
}

void lane_owner_moved(struct farm *f, const struct owner *owner)
{
    struct lane *lane = NULL;
    for (size_t i = 0; (lane = table_next(&f->lanes, &i, NULL, NULL)) != NULL;) {
        CHAIN_EACH(link, &lane->tiers)
        move_in_tier(CHAIN_OWNER(link, struct tier, in_lane), owner);
    }
}

/* ---- tiers and shelves ---- */

static struct tier *tier_of(struct lane *lane, int32_t priority)
{
    struct chain *behind = &lane->tiers;
    CHAIN_EACH(link, &lane->tiers)
    {
        struct tier *tier = CHAIN_OWNER(link, struct tier, in_lane);
        if (tier->priority == priority) return tier;
        behind = link;
        if (tier->priority < priority) break;
        behind = &lane->tiers;
    }
    struct tier *tier = xcalloc(1, sizeof(*tier));
    tier->priority = priority;
    heap_init(&tier->shelves);
    chain_append(behind, &tier->in_lane); /* before it */
    return tier;
}

static struct shelf *shelf_of(struct tier *tier, struct owner *owner)
{
    for (size_t i = 0; i < tier->shelves.count; i++) {
        struct shelf *shelf = tier->shelves.nodes[i]->owner;
        if (shelf->owner == owner) return shelf;
    }
    struct shelf *shelf = xcalloc(1, sizeof(*shelf));
    shelf->tier = tier;
    shelf->owner = owner;
    heap_init(&shelf->stands);
    heap_node_init(&shelf->in_tier, shelf);
    heap_set(&tier->shelves, &shelf->in_tier, owner->key);
    return shelf;
}

bool lane_put(struct farm *f, struct stand *stand)
{
    struct batch *b = stand->group->batch;
    if (stand->shelf != NULL) return false;
    stand->shelf = shelf_of(tier_of(stand->lane, b->priority), b->of_owner);
    heap_set(&stand->shelf->stands, &stand->ready, b->key);
    if (chain_is_empty(&stand->lane->in_ready)) chain_append(&f->ready, &stand->lane->in_ready);
    return true;
}

static void drop_shelf(struct shelf *shelf)
{
    heap_remove(&shelf->tier->shelves, &shelf->in_tier);
    heap_finish(&shelf->stands);
    free(shelf);
}

static void drop_tier(struct tier *tier)
{
    chain_remove(&tier->in_lane);
    heap_finish(&tier->shelves);
    free(tier);
}

void lane_take(struct stand *stand)
{
    struct shelf *shelf = stand->shelf;
    if (shelf == NULL) return;
    struct tier *tier = shelf->tier;
    stand->shelf = NULL;
    heap_remove(&shelf->stands, &stand->ready);
    if (shelf->stands.count == 0) drop_shelf(shelf);
    if (tier->shelves.count == 0) drop_tier(tier);
    if (chain_is_empty(&stand->lane->tiers)) chain_remove(&stand->lane->in_ready);
}

/* ---- the first ---- */

struct shelf *tier_first(struct tier *tier)
{
    for (;;) {
        struct shelf *shelf = heap_first(&tier->shelves)->owner;
        if (shelf->in_tier.deadline_ns >= shelf->owner->key) return shelf;
        heap_set(&tier->shelves, &shelf->in_tier, shelf->owner->key);
    }
}

static struct stand *shelf_first(struct shelf *shelf)
{
    for (;;) {
        struct stand *stand = heap_first(&shelf->stands)->owner;
        int64_t key = stand->group->batch->key;
        if (stand->ready.deadline_ns >= key) return stand;
        heap_set(&shelf->stands, &stand->ready, key);
    }
}

struct stand *lane_first(struct lane *lane)
{
    if (chain_is_empty(&lane->tiers)) return NULL;
    return shelf_first(tier_first(CHAIN_OWNER(lane->tiers.next, struct tier, in_lane)));
}

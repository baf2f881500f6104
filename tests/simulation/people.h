/* people: what clients and operators do to a simulated farm. */
#ifndef ZOE_TESTS_SIMULATION_PEOPLE_H
#define ZOE_TESTS_SIMULATION_PEOPLE_H

#include "simulation/hearing.h"

#define HISTORY_BATCHES 8
#define OWNERS 3

static const char *const owners[OWNERS] = {"ann", "bob", "cyd"};

static inline void name_batch(char id[ID_BATCH_SIZE], uint32_t sequence)
{
    (void)snprintf(id, ID_BATCH_SIZE, "b00000000%u", (unsigned)(sequence % 10));
}

static inline struct shape shape_of(const char *batch, uint32_t clip)
{
    struct task_key key = {.clip = clip};
    memcpy(key.batch, batch, sizeof(key.batch));
    struct shape shape = {.model = {{nature_model(&key)}},
                          .width = 64,
                          .height = 64,
                          .steps = NATURE_STEPS,
                          .fps = 8,
                          .plan = nature_plan(&key)};
    shape.frames = shape.plan.frames;
    if (plan_stages(&shape.plan) == 1) return shape;
    shape.second_model = (struct digest){{NATURE_SECOND_MODEL}};
    shape.second_width = shape.second_height = 128;
    shape.second_steps = shape.plan.upscale_steps;
    return shape;
}

static inline void submit(struct world *w)
{
    struct chance *c = &w->chance;
    struct batch_spec *spec = &w->fresh;
    if (w->sequence >= HISTORY_BATCHES || spec->clips > 0 || w->disk_low) return;
    *spec = (struct batch_spec){.name = "sim",
                                .owner = owners[chance_below(c, OWNERS)],
                                .priority = (int32_t)chance_below(c, 5) - 2,
                                .sequence = ++w->sequence,
                                .shapes = w->fresh_shapes,
                                .groups = 2,
                                .runs = w->fresh_runs,
                                .run_count = 3};
    name_batch(spec->id, (uint32_t)spec->sequence);
    for (uint32_t i = 0; i < 2; i++) {
        w->fresh_shapes[i] = shape_of(spec->id, i == 0 ? 0 : NATURE_LONG_FIRST);
        w->fresh_runs[2 * i] = (struct clip_run){i == 0 ? 0 : NATURE_LONG_END, 0};
    }
    w->fresh_runs[1] = (struct clip_run){NATURE_LONG_FIRST, 1};
    spec->clips = NATURE_LONG_END + 1 + chance_below(c, 20);
    if (!farm_batch_add(w->f, spec, &w->red)) return;
}

static inline const char *some_batch(struct world *w)
{
    static char id[ID_BATCH_SIZE];
    name_batch(id, 1 + chance_below(&w->chance, (uint32_t)w->sequence + 1));
    return id;
}

static inline void people_act(struct world *w)
{
    struct error why = {0};
    const char *id = some_batch(w);
    struct chance *c = &w->chance;
    switch (chance_below(c, 11)) {
    case 0:
        (void)farm_batch_pause(w->f, id, &why);
        break;
    case 1:
    case 2:
    case 3:
        (void)farm_batch_resume(w->f, id, &why);
        break;
    case 4:
        if (chance_one_in(&w->chance, 4)) (void)farm_batch_cancel(w->f, id, w->now_ns, &why);
        break;
    case 5:
        (void)farm_batch_retry(w->f, id, &why);
        break;
    case 6:
        if (chance_one_in(&w->chance, 4)) (void)farm_batch_remove(w->f, id, &why);
        break;
    case 7:
        (void)farm_batch_priority(w->f, id, (int32_t)chance_below(c, 7) - 3, &why);
        break;
    case 8:
        farm_owner_share(w->f, owners[chance_below(c, OWNERS)], 1 + chance_below(c, 3), w->now_ns);
        break;
    default:
        submit(w);
        break;
    }
    world_check(w);
}

static inline void resume_all(struct world *w)
{
    struct batch_info info;
    for (uint64_t i = 0; farm_batch_at(w->f, i, &info); i++) {
        char id[ID_BATCH_SIZE];
        memcpy(id, info.id, sizeof(id));
        if (info.state == BATCH_PAUSED) (void)farm_batch_resume(w->f, id, NULL);
    }
    world_check(w);
}

#endif

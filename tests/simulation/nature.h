/* nature: what is true of the things that are rendered, whatever anybody says about them. A digest
 * in the simulation tells by itself what it is of, so that the checker needs nobody's word. */
#ifndef ZOE_TESTS_SIMULATION_NATURE_H
#define ZOE_TESTS_SIMULATION_NATURE_H

#include <string.h>

#include "coordinator/record.h"

enum { /* bytes of a digest */
       NATURE_GOOD = 0,
       NATURE_CLIP = 1, /* 4 bytes */
       NATURE_OUTPUT = 5,
       NATURE_SUSPECT = 6, /* 1 = still, as it should be, 2 = black */
       NATURE_MAKER = 7,   /* which attempt made it: 8 bytes */
       NATURE_FALSE = 15,  /* other frames than the recipe asks for: whose */
       NATURE_BATCH = 16,  /* the id: 10 bytes */
       NATURE_TASK = 26,   /* 2 bytes */
       NATURE_FINGERPRINT = 28,
       NATURE_MIXED = 29, /* it goes on from something of another fingerprint */
       NATURE_STEP = 30,  /* of a checkpoint */
       NATURE_POISON = 31 /* a checkpoint that looks sound and leads to failure */
};

#define NATURE_STEPS 10
#define NATURE_FRAMES 8 /* at a time */
#define NATURE_LONG_FIRST 3
#define NATURE_LONG_END 6 /* these clips of a batch have several tasks */

/* What the clips between those two are made of is told by the batch's last digit. */
static inline struct plan nature_plan(const struct task_key *key)
{
    static const struct plan plans[] = {
        {.method = PLAN_CHAIN, .frames = 20, .cut_count = 1, .cuts = {13}},
        {.method = PLAN_CHAIN, .frames = 26},
        {.method = PLAN_SEAM, .frames = 20},
        {.method = PLAN_WINDOWS, .frames = 14},
        {.method = PLAN_UPSCALE, .frames = 14, .upscale_steps = 6},
    };
    bool is_long = key->clip >= NATURE_LONG_FIRST && key->clip < NATURE_LONG_END;
    if (!is_long) return plan_whole(NATURE_FRAMES, NATURE_STEPS);
    struct plan plan = plans[(uint8_t)key->batch[9] % (sizeof(plans) / sizeof(plans[0]))];
    plan.window = NATURE_FRAMES;
    plan.overlap = 2;
    plan.steps = NATURE_STEPS;
    plan.sync_every = 5;
    plan.resample_times = plan.resample_jump = 1;
    return plan;
}

static inline struct plan_task nature_task(const struct task_key *key)
{
    struct plan plan = nature_plan(key);
    struct plan_task task = {0};
    if (key->task < plan_task_count(&plan)) plan_task(&plan, key->task, &task);
    return task;
}

static inline uint32_t nature_steps(const struct task_key *key)
{
    struct plan_task task = nature_task(key);
    return task.step_end - task.step_first;
}

/* Clips that no engine can render, and clips whose recipe is wrong. */
static inline bool nature_kills(const struct task_key *key)
{
    return (key->clip * 7 + (uint8_t)key->batch[9]) % 23 == 0;
}

/* Whoever renders it dies of it. */
static inline bool nature_fells(const struct task_key *key)
{
    return (key->clip * 3 + (uint8_t)key->batch[9]) % 61 == 7;
}

static inline bool nature_is_nonsense(const struct task_key *key)
{
    return (key->clip * 5 + (uint8_t)key->batch[9]) % 31 == 1;
}

static inline struct digest nature_output(const struct attempt_key *key, uint32_t output, bool good)
{
    struct digest d = {{0}};
    d.bytes[NATURE_GOOD] = good;
    memcpy(d.bytes + NATURE_CLIP, &key->task.clip, 4);
    d.bytes[NATURE_OUTPUT] = (uint8_t)(output + 1);
    d.bytes[NATURE_SUSPECT] = key->task.clip % 11 == 3;
    memcpy(d.bytes + NATURE_MAKER, &key->fence, 8);
    memcpy(d.bytes + NATURE_BATCH, key->task.batch, ID_BATCH_LENGTH);
    memcpy(d.bytes + NATURE_TASK, &key->task.task, 2);
    return d;
}

static inline bool nature_is_of(const struct digest *d, const struct task_key *key)
{
    return memcmp(d->bytes + NATURE_CLIP, &key->clip, 4) == 0 &&
           memcmp(d->bytes + NATURE_TASK, &key->task, 2) == 0 &&
           memcmp(d->bytes + NATURE_BATCH, key->batch, ID_BATCH_LENGTH) == 0;
}

/* ---- models and their canaries ---- */

#define NATURE_MODEL 1      /* of short clips: its canary.json is known */
#define NATURE_LONG_MODEL 4 /* of long ones: nobody knows the answer before two agree */
#define NATURE_SECOND_MODEL 9

static const uint8_t nature_models[] = {NATURE_MODEL, NATURE_LONG_MODEL, NATURE_SECOND_MODEL};
#define NATURE_MODELS (sizeof(nature_models) / sizeof(nature_models[0]))

static inline uint8_t nature_model(const struct task_key *key)
{
    bool is_long = key->clip >= NATURE_LONG_FIRST && key->clip < NATURE_LONG_END;
    if (!is_long) return NATURE_MODEL;
    return nature_task(key).stage == 0 ? NATURE_LONG_MODEL : NATURE_SECOND_MODEL;
}

/* What a sound worker of this fingerprint renders. */
static inline struct digest nature_canary(uint8_t model, const char *fingerprint)
{
    return (struct digest){{100, model, (uint8_t)fingerprint[0]}};
}

/* What a check sees. */
static inline enum suspect nature_suspect(const struct digest *sha256)
{
    static const enum suspect seen[] = {SUSPECT_NONE, SUSPECT_STILL, SUSPECT_BLACK};
    return seen[sha256->bytes[NATURE_SUSPECT]];
}

/* What was rendered, whoever did. */
static inline struct digest nature_content(const struct digest *outputs, uint32_t count)
{
    struct digest content = {{0}};
    for (uint32_t i = 0; i < count; i++) {
        struct digest d = outputs[i];
        memset(d.bytes + NATURE_MAKER, 0, 8);
        for (size_t k = 0; k < sizeof(content.bytes); k++)
            content.bytes[k] = (uint8_t)(content.bytes[k] * 31 + d.bytes[k] + 1);
    }
    return content;
}

/* The video that stitching makes of a clip's segments: `video` is zero before the first. */
static inline void nature_stitch(struct digest *video, const struct digest *segment)
{
    for (size_t i = 0; i < sizeof(video->bytes); i++)
        video->bytes[i] = (uint8_t)(video->bytes[i] * 31 + segment->bytes[i] + 1);
}

#endif

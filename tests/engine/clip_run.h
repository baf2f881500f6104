/* clip_run: a long clip of the tiny model, task by task: what tests of windows share. */
#ifndef ZOE_TESTS_ENGINE_CLIP_RUN_H
#define ZOE_TESTS_ENGINE_CLIP_RUN_H

#include "tiny_copy.h"

#include "base/plan.h"
#include "engine/latents.h"

enum {
    CLIP_CHANNELS = 4,
    CLIP_CELLS = 8 * 8,
    CLIP_FRAME = CLIP_CHANNELS * CLIP_CELLS, /* floats of a frame's latents */
    CLIP_PIXELS = 3 * 64 * 64,               /* bytes of a frame */
};

struct clip {
    struct engine_model *model;
    char *folder; /* of what its tasks hand over */
    json_t *recipe;
    char digest[DIGEST_TEXT_SIZE];
    struct plan plan;
    const char *held; /* of an extension */
    struct engine_images before;
};

static inline struct engine_model *tiny_open(const char *backend, int threads)
{
    struct error err = {0};
    const struct engine_options options = {.backend = backend, .threads = threads};
    struct engine_model *model = engine_open(TINY, &options, &err);
    expect_ok(model != NULL, &err);
    return model;
}

/* `extra` says num_frames, segment_frames and so on. */
static inline struct clip clip_begin(struct engine_model *model, const char *extra)
{
    struct error err = {0};
    const char *field = "";
    struct clip c = {.model = model, .folder = scratch_folder()};
    c.recipe = fixture_recipe("tiny", extra);
    if (!plan_fill(c.recipe, 0, false, &field, &err)) fail_msg("%s: %s", field, err.message);
    expect_ok(plan_of_recipe(&c.plan, c.recipe, NULL, &err), &err);
    const struct digest digest = recipe_digest(c.recipe);
    digest_text(&digest, c.digest);
    return c;
}

static inline void clip_end(struct clip *c)
{
    json_decref(c->recipe);
    scratch_remove(c->folder);
}

static inline char *clip_latents(const struct clip *c, uint32_t task)
{
    char name[32];
    snprintf(name, sizeof name, "latents.%u", task);
    return scratch_path(c->folder, name);
}

/* A job of one task; its inputs must have been rendered. */
static inline struct engine_job *clip_try(const struct clip *c, const struct plan_task *task,
                                          struct error *err)
{
    char *names[PLAN_INPUTS_MAX];
    int count = 0;
    for (uint32_t i = 0; i < task->input_count; i++)
        names[count++] = clip_latents(c, task->inputs[i].task);
    const struct engine_request request = {.recipe = c->recipe,
                                           .window = {.plan = &c->plan,
                                                      .task = task,
                                                      .latents = (const char *const *)names,
                                                      .latents_count = count,
                                                      .held = c->held,
                                                      .before = c->before},
                                           .clip_digest = c->digest};
    struct engine_job *job = engine_job_new(c->model, &request, 1, err);
    for (int i = 0; i < count; i++)
        free(names[i]);
    return job;
}

static inline struct engine_job *clip_job(const struct clip *c, uint32_t number)
{
    struct error err = {0};
    struct plan_task task;
    plan_task(&c->plan, number, &task);
    struct engine_job *job = clip_try(c, &task, &err);
    expect_ok(job != NULL, &err);
    return job;
}

static inline void run_to(struct engine_job *job, int step)
{
    struct error err = {0};
    while (engine_job_step_index(job) < step)
        expect_ok(engine_job_step(job, &err), &err);
}

static inline void run_rest(struct engine_job *job)
{
    run_to(job, engine_job_step_count(job));
}

static inline void clip_hand_over(const struct clip *c, struct engine_job *job, uint32_t task)
{
    struct error err = {0};
    char *path = clip_latents(c, task);
    expect_ok(engine_job_hand_over(job, path, &err), &err);
    free(path);
}

/* Latents of a job; caller frees. */
static inline float *job_latents(const struct engine_job *job)
{
    float *values = xcalloc((size_t)engine_job_shape(job).latent_count, sizeof *values);
    engine_job_latents_get(job, 0, values);
    return values;
}

/* Renders one task and hands over; gives its last latents, the caller's. */
static inline float *clip_render(const struct clip *c, uint32_t task)
{
    struct engine_job *job = clip_job(c, task);
    run_rest(job);
    clip_hand_over(c, job, task);
    float *latents = job_latents(job);
    engine_job_free(job);
    return latents;
}

/* All tasks; the clip's latents [frames][C][h][w] as they are published, the caller's. */
static inline float *clip_run(const struct clip *c)
{
    float *all = xcalloc((size_t)c->plan.frames * CLIP_FRAME, sizeof *all);
    for (uint32_t i = 0; i < plan_task_count(&c->plan); i++) {
        struct plan_task t;
        plan_task(&c->plan, i, &t);
        float *latents = clip_render(c, i);
        for (uint32_t f = t.made_first; t.published && f < t.made_first + t.made_frames; f++)
            for (size_t k = 0; k < CLIP_CHANNELS; k++)
                memcpy(all + f * CLIP_FRAME + k * CLIP_CELLS,
                       latents + (k * t.frames + f - t.first) * CLIP_CELLS,
                       CLIP_CELLS * sizeof *all);
        free(latents);
    }
    return all;
}

static inline float *clip_run_once(struct engine_model *model, const char *extra)
{
    struct clip c = clip_begin(model, extra);
    float *latents = clip_run(&c);
    clip_end(&c);
    return latents;
}

/* Frame `frame` of latents [C][frames][h][w], equal to one of [frames][C][h][w]? */
static inline bool same_frame(const float *window, int frames, int frame, const float *other)
{
    for (size_t k = 0; k < CLIP_CHANNELS; k++)
        if (memcmp(window + (k * (size_t)frames + (size_t)frame) * CLIP_CELLS,
                   other + k * CLIP_CELLS, CLIP_CELLS * sizeof *other) != 0)
            return false;
    return true;
}

#endif

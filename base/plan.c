#include "base/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/plan_scene.h"

const char *plan_method_name(enum plan_method method)
{
    static const char *const names[PLAN_METHOD_COUNT] = {"whole", "chain", "seam", "windows",
                                                         "upscale"};
    return (unsigned)method < PLAN_METHOD_COUNT ? names[method] : "unknown";
}

const char *plan_kind_name(enum plan_kind kind)
{
    static const char *const names[PLAN_KIND_COUNT] = {"render", "join", "round", "decode"};
    return (unsigned)kind < PLAN_KIND_COUNT ? names[kind] : "unknown";
}

struct plan plan_whole(uint32_t frames, uint32_t steps)
{
    return (struct plan){.method = PLAN_WHOLE,
                         .frames = frames,
                         .window = frames,
                         .steps = steps,
                         .seam_steps = steps,
                         .sync_every = 1,
                         .resample_times = 1,
                         .resample_jump = 1};
}

uint32_t plan_stages(const struct plan *p)
{
    return p->method == PLAN_UPSCALE ? 2 : 1;
}

float plan_weight(uint32_t place, uint32_t frames)
{
    const uint32_t back = frames - 1 - place;
    return (float)((place < back ? place : back) + 1);
}

/* ---- methods: a row a method, a function a kind of task ---- */

typedef void fill_fn(const struct plan_scene *scene, uint32_t place, struct plan_task *out);

static void add_input(struct plan_task *t, uint32_t task, enum plan_output output)
{
    if (t->input_count < PLAN_INPUTS_MAX)
        t->inputs[t->input_count++] = (struct plan_input){task, output};
}

/* Of the frames that exist already, more than one window may see some: the last one is moved back.
 */
static void see(const struct plan_scene *scene, uint32_t window, struct plan_task *t)
{
    t->first = plan_window_first(scene, window);
    t->frames = plan_window_frames(scene);
    const uint32_t gone = t->first - scene->first;
    t->held_first = scene->held > gone ? scene->held - gone : 0;
    t->extends = t->held_first > 0;
}

static void make(struct plan_task *t, uint32_t first, uint32_t end)
{
    t->made_first = first;
    t->made_frames = end - first;
}

/* What no window before it has. */
static uint32_t new_from(const struct plan_scene *scene, uint32_t window)
{
    if (window == 0) return scene->first + scene->held;
    return plan_window_first(scene, window - 1) + plan_window_frames(scene);
}

static bool is_last_of_clip(const struct plan_scene *scene, uint32_t window)
{
    return scene->is_last && window + 1 == scene->windows;
}

static void fill_chain(const struct plan_scene *scene, uint32_t place, struct plan_task *t)
{
    see(scene, place, t);
    t->step_end = scene->steps;
    t->latents = place + 1 < scene->windows || scene->is_last;
    make(t, new_from(scene, place), t->first + t->frames);
    t->held_first = t->made_first - t->first;
    t->extends = place == 0 && t->held_first > 0;
    if (place > 0) add_input(t, scene->task + place - 1, PLAN_LATENTS);
}

static void fill_seam_window(const struct plan_scene *scene, uint32_t window, struct plan_task *t)
{
    const struct plan_seam before = plan_seam_of(scene, window > 0 ? window - 1 : 0);
    const struct plan_seam after = plan_seam_of(scene, window);
    see(scene, window, t);
    t->step_end = scene->steps;
    t->latents = scene->windows > 1 || scene->is_last;
    make(t, window > 0 ? before.inner_end : new_from(scene, 0),
         window + 1 < scene->windows ? after.inner_first : scene->end);
}

static void fill_seam_joint(const struct plan_scene *scene, uint32_t joint, struct plan_task *t)
{
    const struct plan_seam seam = plan_seam_of(scene, joint);
    t->kind = PLAN_JOIN;
    t->first = seam.first;
    t->frames = plan_window_frames(scene);
    t->held_first = seam.inner_first - t->first;
    t->held_last = t->first + t->frames - seam.inner_end;
    t->step_first = scene->steps - scene->seam_steps;
    t->step_end = scene->steps;
    make(t, seam.inner_first, seam.inner_end);
    add_input(t, scene->task + joint, PLAN_LATENTS);
    add_input(t, scene->task + joint + 1, PLAN_LATENTS);
}

static void fill_seam(const struct plan_scene *scene, uint32_t place, struct plan_task *t)
{
    if (place < scene->windows)
        fill_seam_window(scene, place, t);
    else
        fill_seam_joint(scene, place - scene->windows, t);
}

/* Those of the round before, of all windows that share frames with this one. They stand near it:
 * the last window is moved back by less than a stride. */
static void add_neighbours(const struct plan_scene *scene, uint32_t round, uint32_t window,
                           struct plan_task *t)
{
    const uint32_t near = t->frames / scene->stride + 2;
    for (uint32_t k = window > near ? window - near : 0; k < scene->windows; k++) {
        if (k > window + near) break;
        const uint32_t first = plan_window_first(scene, k);
        if (first >= t->first + t->frames || first + t->frames <= t->first) continue;
        add_input(t, scene->task + (round - 1) * scene->windows + k, PLAN_LATENTS);
    }
}

static void fill_windows(const struct plan_scene *scene, uint32_t place, struct plan_task *t)
{
    const uint32_t round = place / scene->windows, window = place % scene->windows;
    const uint32_t rounds = scene->tasks / scene->windows - 1; /* 0: a window that is alone */
    const uint32_t begin = round * scene->sync_every, end = begin + scene->sync_every;
    see(scene, window, t);
    t->step_first = begin < scene->steps ? begin : scene->steps;
    t->step_end = end < scene->steps && rounds > 0 ? end : scene->steps;
    t->kind = rounds == 0 ? PLAN_RENDER : round < rounds ? PLAN_ROUND : PLAN_DECODE;
    t->latents = t->kind == PLAN_ROUND || is_last_of_clip(scene, window);
    if (t->kind != PLAN_ROUND) make(t, new_from(scene, window), t->first + t->frames);
    if (round > 0) add_neighbours(scene, round, window, t);
}

static fill_fn *const fills[PLAN_METHOD_COUNT] = {
    [PLAN_WHOLE] = fill_windows,   [PLAN_CHAIN] = fill_chain,     [PLAN_SEAM] = fill_seam,
    [PLAN_WINDOWS] = fill_windows, [PLAN_UPSCALE] = fill_windows,
};

/* ---- tasks ---- */

static uint32_t stage_method(const struct plan *p, uint32_t stage)
{
    return p->method == PLAN_UPSCALE && stage == 0 ? PLAN_CHAIN : p->method;
}

uint32_t plan_task_count(const struct plan *p)
{
    struct plan_scene scene;
    uint32_t count = 0;
    for (uint32_t s = 0; plan_scene_at(p, s, &scene); s++)
        count = scene.task + scene.tasks;
    return count;
}

/* Stage 1 begins with the frames that stage 0 has made. */
static void add_base(const struct plan *p, struct plan_task *t)
{
    struct plan_scene scene;
    for (uint32_t s = 0; plan_scene_at(p, s, &scene) && scene.stage == 0; s++) {
        for (uint32_t k = 0; k < scene.tasks; k++) {
            struct plan_task base = {.number = scene.task + k};
            fill_chain(&scene, k, &base);
            if (base.made_first < t->first + t->frames &&
                base.made_first + base.made_frames > t->first)
                add_input(t, base.number, PLAN_SEGMENT);
        }
    }
}

static bool resamples(const struct plan *p, const struct plan_task *t)
{
    const bool held = t->held_first > 0 || t->held_last > 0 || p->keeps != 0;
    return held && p->method != PLAN_WINDOWS && t->stage == 0;
}

static void repeat_steps(const struct plan *p, struct plan_task *t)
{
    t->repeats = resamples(p, t) ? p->resample_times : 1;
    t->step_end = t->step_first + (t->step_end - t->step_first) * t->repeats;
}

void plan_task(const struct plan *p, uint32_t number, struct plan_task *out)
{
    struct plan_scene scene = {.windows = 1};
    uint32_t s = 0;
    while (plan_scene_at(p, s, &scene) && number >= scene.task + scene.tasks)
        s++;
    memset(out, 0, sizeof *out);
    out->number = number;
    out->stage = scene.stage;
    out->published = scene.stage + 1 == plan_stages(p);
    fills[stage_method(p, scene.stage)](&scene, number - scene.task, out);
    repeat_steps(p, out);
    if (p->method == PLAN_WHOLE) out->latents = false;
    if (out->stage == 1 && out->step_first == 0 && out->input_count == 0) add_base(p, out);
}

static uint32_t round_tasks(const struct plan *p)
{
    struct plan_scene scene;
    uint32_t most = 0;
    for (uint32_t s = 0; plan_scene_at(p, s, &scene); s++)
        if (scene.windows > most) most = scene.windows;
    return most;
}

uint32_t plan_dependents(const struct plan *p, uint32_t number, uint32_t *out, uint32_t room)
{
    const uint32_t tasks = plan_task_count(p), near = number + 2 * round_tasks(p) + 1;
    const uint32_t end = plan_stages(p) > 1 || near > tasks ? tasks : near;
    uint32_t count = 0;
    for (uint32_t i = number + 1; i < end; i++) {
        struct plan_task task;
        plan_task(p, i, &task);
        for (uint32_t k = 0; k < task.input_count; k++) {
            if (task.inputs[k].task != number) continue;
            if (count < room) out[count] = i;
            count++;
        }
    }
    return count;
}

uint32_t plan_last(const struct plan *p)
{
    return plan_maker(p, p->frames - 1);
}

uint32_t plan_maker(const struct plan *p, uint32_t frame)
{
    struct plan_task task;
    uint32_t number = plan_task_count(p);
    while (number-- > 0) {
        plan_task(p, number, &task);
        if (task.published && frame >= task.made_first &&
            frame - task.made_first < task.made_frames)
            return number;
    }
    return 0;
}

void plan_place(const char *recipe_digest, const struct plan_task *task, char out[PLAN_PLACE_SIZE])
{
    (void)snprintf(out, PLAN_PLACE_SIZE, "%.64s %u %u %u", recipe_digest, task->number,
                   task->made_first, task->made_frames);
}

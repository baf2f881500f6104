#include "engine/request/request_window.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/recipe.h"
#include "base/recipe_start.h"
#include "base/xalloc.h"

bool request_window_resumes(const struct request_window *w)
{
    return w->task.kind == PLAN_DECODE || (w->task.kind == PLAN_ROUND && w->step_first > 0);
}

/* ---- the task ---- */

static bool find_plan(struct plan *plan, struct plan_task *task, const struct engine_request *asked,
                      struct error *err)
{
    const struct engine_window *given = &asked->window;
    const char *field = "";
    if (given->task != NULL && given->plan == NULL)
        return error_set(err, ERROR_USAGE, "a task without its plan");
    if (given->task != NULL) {
        *plan = *given->plan;
        *task = *given->task;
        return true;
    }
    if (!plan_of_recipe(plan, asked->recipe, &field, err)) return error_wrap(err, "%s", field);
    if (plan->method != PLAN_WHOLE)
        return error_set(err, ERROR_USAGE,
                         "a clip of several windows is rendered task by task: which one?");
    plan_task(plan, 0, task);
    return true;
}

/* Steps of the schedule that are left when something is there to start from. */
static int steps_left(const json_t *recipe)
{
    const int steps = (int)recipe_int(recipe, "num_inference_steps", 1);
    struct recipe_start start;
    recipe_start_read(&start, recipe, (int)recipe_int(recipe, "num_frames", 1));
    return steps - recipe_start_skipped(&start, steps);
}

static bool take_task(struct request_window *w, const struct plan *plan,
                      const struct plan_task *task, const json_t *recipe, struct error *err)
{
    const int repeats = task->repeats > 1 ? (int)task->repeats : 1;
    w->task = *task;
    w->first = (int)task->first;
    w->frames = (int)task->frames;
    w->clip_frames = (int)plan->frames;
    w->held_first = (int)task->held_first;
    w->held_last = (int)task->held_last;
    w->step_first = (int)task->step_first;
    w->repeats = repeats;
    w->jump = plan->resample_jump > 0 ? (int)plan->resample_jump : 1;
    w->evaluations = (int)(task->step_end - task->step_first) / repeats;
    const bool chained = task->kind == PLAN_RENDER && task->held_first > 0;
    const json_t *reanchor = json_object_get(recipe, "reanchor");
    w->reanchors =
        reanchor != NULL ? json_is_true(reanchor) && w->held_first + w->held_last > 0 : chained;
    if (recipe_int(recipe, "num_frames", 0) != w->clip_frames || w->frames < 1 ||
        w->first + w->frames > w->clip_frames || w->held_first + w->held_last > w->frames ||
        w->step_first + w->evaluations > steps_left(recipe))
        return error_set(err, ERROR_USAGE, "task %u does not suit the recipe", task->number);
    return true;
}

/* ---- what it takes ---- */

static void say_clip(struct request_window *w, const struct engine_request *asked)
{
    if (asked->clip_digest != NULL) {
        strncpy(w->clip, asked->clip_digest, sizeof w->clip - 1);
        return;
    }
    const struct digest digest = recipe_digest(asked->recipe);
    digest_text(&digest, w->clip);
}

static struct latents_facts shape_wanted(const json_t *facts, const json_t *recipe)
{
    const int factor = (int)recipe_int(facts, "spatial_factor", 1);
    return (struct latents_facts){.task = -1,
                                  .channels = (int)recipe_int(facts, "latent_channels", 0),
                                  .height = (int)recipe_int(recipe, "height", 0) / factor,
                                  .width = (int)recipe_int(recipe, "width", 0) / factor};
}

/* What the file of an input must say. */
static struct latents_facts input_wanted(const struct request_window *w, const struct plan *plan,
                                         uint32_t task, const struct latents_facts *shape)
{
    struct plan_task input;
    struct latents_facts want = *shape;
    plan_task(plan, task, &input);
    want.task = (int)task;
    want.first = (int)input.first;
    want.frames = (int)input.frames;
    want.step = want.steps = (int)input.step_end;
    memcpy(want.recipe, w->clip, sizeof want.recipe);
    return want;
}

static bool open_inputs(struct request_window *w, const struct plan *plan,
                        const struct engine_window *given, const struct latents_facts *shape,
                        const char *fingerprint, struct error *err)
{
    int wanted = 0;
    w->inputs = xcalloc(PLAN_INPUTS_MAX, sizeof *w->inputs);
    for (uint32_t i = 0; i < w->task.input_count && i < PLAN_INPUTS_MAX; i++) {
        if (w->task.inputs[i].output != PLAN_LATENTS) continue;
        if (wanted++ >= given->latents_count) continue;
        struct latents_facts want = input_wanted(w, plan, w->task.inputs[i].task, shape);
        strncpy(want.fingerprint, fingerprint, sizeof want.fingerprint - 1);
        if (!latents_open(&w->inputs[w->input_count], given->latents[w->input_count], &want, err))
            return false;
        w->input_count++;
    }
    if (wanted == given->latents_count) return true;
    return error_set(err, ERROR_USAGE, "task %u takes latents of %d tasks, not of %d",
                     w->task.number, wanted, given->latents_count);
}

static bool has_pictures(const struct engine_images *images)
{
    return images->data != NULL || images->values != NULL;
}

/* A round's latents are noise still. */
static bool is_finished(const struct latents_file *f, struct error *err)
{
    return safetensors_find(f->file, "prediction") == NULL ||
           error_set(err, ERROR_INVALID, "%s: latents of a round, not of a finished window",
                     f->path);
}

/* Frames that exist already come from the clip that is extended. */
static bool open_held(struct request_window *w, const struct engine_window *given,
                      const struct latents_facts *shape, const json_t *recipe, struct error *err)
{
    if (!w->task.extends) return true;
    if (given->held != NULL)
        return latents_open(&w->held, given->held, shape, err) && is_finished(&w->held, err);
    w->before = given->before;
    if (!has_pictures(&w->before))
        return error_set(err, ERROR_USAGE, "task %u extends a clip: its end is missing",
                         w->task.number);
    if (w->before.frames == w->held_first && w->before.width == recipe_int(recipe, "width", 0) &&
        w->before.height == recipe_int(recipe, "height", 0))
        return true;
    return error_set(err, ERROR_USAGE, "task %u holds %d frames of %lldx%lld, not %d of %dx%d",
                     w->task.number, w->held_first, (long long)recipe_int(recipe, "width", 0),
                     (long long)recipe_int(recipe, "height", 0), w->before.frames, w->before.width,
                     w->before.height);
}

bool request_window_read(struct request_window *w, const json_t *facts,
                         const struct engine_request *asked, const char *fingerprint,
                         struct error *err)
{
    struct plan plan;
    struct plan_task task;
    memset(w, 0, sizeof *w);
    if (!find_plan(&plan, &task, asked, err) || !take_task(w, &plan, &task, asked->recipe, err))
        return false;
    const struct latents_facts shape = shape_wanted(facts, asked->recipe);
    say_clip(w, asked);
    return open_inputs(w, &plan, &asked->window, &shape, fingerprint, err) &&
           open_held(w, &asked->window, &shape, asked->recipe, err);
}

void request_window_finish(struct request_window *w)
{
    for (int i = 0; i < w->input_count; i++)
        latents_close(&w->inputs[i]);
    free(w->inputs);
    w->inputs = NULL;
    w->input_count = 0;
    latents_close(&w->held);
}

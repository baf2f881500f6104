#include "worker/engine_task.h"

#include <string.h>

#include "base/json.h"
#include "worker/raw_images.h"

bool engine_task_read(struct engine_task *t, const json_t *message, struct error *err)
{
    const json_t *recipe = json_object_get(message, "recipe");
    int64_t number;
    memset(t, 0, sizeof *t);
    t->message = message;
    if (!json_is_object(recipe)) return error_set(err, ERROR_INVALID, "render: no recipe");
    if (!json_get_int(message, "task", &number, "render", err) ||
        !plan_of_recipe(&t->plan, recipe, NULL, err))
        return false;
    if (number < 0 || number >= plan_task_count(&t->plan))
        return error_set(err, ERROR_USAGE, "the recipe has no task %lld", (long long)number);
    plan_task(&t->plan, (uint32_t)number, &t->task);
    t->is_part = t->plan.method != PLAN_WHOLE;
    t->recipe = plan_stage_recipe(recipe, t->task.stage);
    const struct digest digest = recipe_digest(recipe);
    digest_text(&digest, t->digest);
    plan_place(t->digest, &t->task, t->place);
    return true;
}

void engine_task_finish(struct engine_task *t)
{
    json_decref(t->recipe);
    t->recipe = NULL;
}

/* ---- what it takes ---- */

static bool read_pictures(const struct engine_task *t, struct engine_request *r, struct error *err)
{
    const struct {
        const char *field;
        struct engine_images *images;
        uint32_t frames;
        int channels;
    } rows[] = {
        {"init", &r->init, t->task.frames, 3},
        {"mask", &r->mask, t->task.frames, 1},
        {"before", &r->window.before, t->task.held_first, 3},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *path = json_string_value(json_object_get(t->message, rows[i].field));
        if (!raw_images_read(path, t->recipe, (int)rows[i].frames, rows[i].channels, rows[i].images,
                             err))
            return false;
    }
    return raw_images_join(json_object_get(t->message, "base"), t->recipe, (int)t->task.frames, 3,
                           &r->window.base, err);
}

static void free_pictures(struct engine_request *r)
{
    raw_images_free(&r->init);
    raw_images_free(&r->mask);
    raw_images_free(&r->window.before);
    raw_images_free(&r->window.base);
}

/* How many; -1 when they are too many or no texts. */
static int list_latents(const struct engine_task *t, const char *paths[PLAN_INPUTS_MAX])
{
    const json_t *list = json_object_get(t->message, "latents"), *path;
    size_t i;
    if (json_array_size(list) > PLAN_INPUTS_MAX) return -1;
    json_array_foreach(list, i, path)
    {
        paths[i] = json_string_value(path);
        if (!paths[i]) return -1;
    }
    return (int)json_array_size(list);
}

struct engine_job *engine_task_job(const struct engine_task *t, struct engine_model *model,
                                   struct error *err)
{
    const char *paths[PLAN_INPUTS_MAX];
    struct engine_request request = {.recipe = t->recipe, .clip_digest = t->digest};
    struct engine_window *window = &request.window;
    struct engine_job *job = NULL;
    window->plan = &t->plan;
    window->task = t->is_part ? &t->task : NULL;
    window->latents = paths;
    window->latents_count = list_latents(t, paths);
    window->held = json_string_value(json_object_get(t->message, "held"));
    if (window->latents_count < 0)
        error_set(err, ERROR_INVALID, "render: bad list of latents");
    else if (read_pictures(t, &request, err))
        job = engine_job_new(model, &request, 1, err);
    free_pictures(&request);
    if (!job && err->code != ERROR_USAGE && err->code != ERROR_NO_MEMORY) err->code = ERROR_FAILED;
    return job;
}

bool engine_task_frames(const struct engine_task *t, const struct engine_shape *job, int *first,
                        struct frames_shape *shape, struct error *err)
{
    *shape = (struct frames_shape){.width = job->width,
                                   .height = job->height,
                                   .rate = {(int)recipe_int(t->recipe, "fps", 0), 1},
                                   .count = job->frames};
    *first = 0;
    if (t->is_part) {
        *first = (int)(t->task.made_first - t->task.first);
        shape->count = t->task.made_frames;
    }
    return frames_shape_check(shape, err);
}

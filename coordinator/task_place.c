#include "coordinator/task_place.h"

#include <string.h>

#include "base/digest.h"
#include "coordinator/shell.h"

static bool find_line(struct coordinator *c, const char *batch, uint32_t clip,
                      struct prompts_clip *line, struct shape *out, struct error *err)
{
    struct group_info group;
    if (!farm_batch_exists(c->farm, batch))
        return error_set(err, ERROR_NOT_FOUND, "there is no batch %s", batch);
    if (!prompts_clip(c->prompts, batch, clip, line, err)) return false;
    if (!farm_group_info(c->farm, batch, line->group, &group))
        return error_set(err, ERROR_INTERNAL, "batch %s has no group %u", batch, line->group);
    *out = group.shape;
    return true;
}

bool task_place_shape(struct coordinator *c, const char *batch, uint32_t clip, struct shape *out,
                      struct error *err)
{
    struct prompts_clip line;
    return find_line(c, batch, clip, &line, out, err);
}

static void take_stage(struct task_place *p)
{
    const struct shape *s = &p->shape;
    const bool second = p->task.stage > 0;
    p->model = second ? s->second_model : s->model;
    p->model_name = second ? s->second_name : s->model_name;
    p->width = second ? s->second_width : s->width;
    p->height = second ? s->second_height : s->height;
    p->steps = second ? s->second_steps : s->steps;
}

bool task_place_find(struct task_place *out, struct coordinator *c, const struct task_key *key,
                     struct error *err)
{
    struct prompts_clip line;
    memset(out, 0, sizeof(*out));
    if (!find_line(c, key->batch, key->clip, &line, &out->shape, err)) return false;
    const uint32_t tasks = plan_task_count(&out->shape.plan);
    if (key->task >= tasks)
        return error_set(err, ERROR_NOT_FOUND, "clip %s/%u has no task %u", key->batch, key->clip,
                         key->task);
    plan_task(&out->shape.plan, key->task, &out->task);
    out->is_whole = out->shape.plan.method == PLAN_WHOLE;
    take_stage(out);
    if (!prompts_recipe_text(c->prompts, key->batch, &line, &out->recipe, err)) return false;
    out->recipe_digest = digest_of(out->recipe.text, strlen(out->recipe.text));
    out->fps = out->recipe.fps > 0 ? out->recipe.fps : out->shape.fps;
    return true;
}

void task_place_finish(struct task_place *p)
{
    prompts_text_finish(&p->recipe);
}

void task_place_text(const struct task_place *p, char out[PLAN_PLACE_SIZE])
{
    char hex[DIGEST_TEXT_SIZE];
    out[0] = '\0';
    if (p->is_whole) return;
    digest_text(&p->recipe_digest, hex);
    plan_place(hex, &p->task, out);
}

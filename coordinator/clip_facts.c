/* Asks prompts, store and core. */
#include "coordinator/clip_facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"

static bool fill_names(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                       const struct batch_info *batch, struct error *err)
{
    struct prompts_clip clip;
    struct group_info group;
    const char *folder = catalog_folder(&c->catalog, task->batch);
    if (folder == NULL)
        return error_set(err, ERROR_NOT_FOUND, "batch %s has no folder", task->batch);
    if (!prompts_clip(c->prompts, task->batch, task->clip, &clip, err)) return false;
    f->folder = path_join(c->renders, folder);
    f->prompt = xstrndup(clip.text, clip.text_size);
    publish_clip_name(task->clip, batch->clips, f->prompt, clip.seed, f->name);
    if (!farm_group_info(c->farm, task->batch, clip.group, &group))
        return error_set(err, ERROR_INTERNAL, "batch %s has no group %u", task->batch, clip.group);
    f->shape = group.shape;
    f->kind = group.shape.output;
    f->recipe = prompts_recipe(c->prompts, task->batch, task->clip, err);
    if (f->recipe == NULL) return false;
    f->recipe_digest = recipe_digest(f->recipe);
    return json_get_real_or(f->recipe, "fps", f->shape.fps, &f->record.fps, "recipe", err);
}

/* ---- files that are put beside the segments ---- */

static bool fill_file(struct clip_facts *f, struct coordinator *c, const char *field, char **path,
                      struct error *err)
{
    struct digest sha256;
    const char *name = recipe_text(f->recipe, field, NULL);
    if (name == NULL) return true;
    if (recipe_file_digest(name, &sha256)) *path = artifacts_path(c->artifacts, &sha256);
    return *path != NULL || error_set(err, ERROR_INVALID, "its %s is gone: %.80s", field, name);
}

static bool fill_files(struct clip_facts *f, struct coordinator *c, struct error *err)
{
    const struct plan *plan = &f->shape.plan;
    const bool keeps = !json_is_false(json_object_get(f->recipe, "extend_keep"));
    f->record.frames = (int64_t)plan->frames - plan->start;
    if (!fill_file(f, c, "audio", &f->audio, err)) return false;
    if (plan->start == 0 || !keeps) return true;
    f->before_frames = plan->start;
    f->record.frames = plan->frames;
    return fill_file(f, c, "extend_video", &f->before, err);
}

bool clip_facts_has_output(const struct clip_facts *f)
{
    const struct publish_record *r = &f->record;
    return f->audio != NULL || r->output_fps > 0 || r->output_width > 0;
}

/* ---- segments ---- */

static json_t *about_part(const struct clip_part *part)
{
    return json_pack(
        "{s:I, s:I, s:I, s:s, s:I}", "task", (json_int_t)part->task.number, "first",
        (json_int_t)part->task.made_first, "frames", (json_int_t)part->task.made_frames, "worker",
        part->worker != NULL ? part->worker : "", "attempts", (json_int_t)part->attempts);
}

static void fill_segments(struct clip_facts *f)
{
    const struct plan *plan = &f->shape.plan;
    if (plan->method == PLAN_WHOLE) return;
    f->record.method = plan_method_name((enum plan_method)plan->method);
    f->record.segments = json_array();
    for (uint32_t i = 0; i < f->parts.count; i++)
        (void)json_array_append_new(f->record.segments, about_part(&f->parts.items[i]));
}

static bool fill_parts(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                       struct error *err)
{
    if (!clip_parts_fill(&f->parts, c, task, &f->shape.plan, err)) return false;
    if (f->parts.missing_count > 0)
        return error_set(err, ERROR_NOT_FOUND, "the stored segment of %s/%u.%u is gone",
                         task->batch, task->clip, f->parts.missing[0]);
    if (f->parts.count == 1) /* else the stitcher tells */
        f->record.frames_sha256 = f->parts.items[0].output.frames_sha256;
    fill_segments(f);
    return true;
}

/* ---- the record ---- */

static const char *suspect_of(struct coordinator *c, const struct task_key *task)
{
    struct task_record row;
    bool known = farm_task_record(c->farm, task, &row) || store_task(c->store, task, &row, NULL);
    if (!known || row.suspect == SUSPECT_NONE) return NULL;
    return suspect_name(row.suspect); /* static */
}

static void fill_shape(struct clip_facts *f)
{
    struct publish_record *r = &f->record;
    const struct shape *s = &f->shape;
    const bool second = plan_stages(&s->plan) > 1;
    r->model = s->model_name;
    r->model_digest = s->model;
    r->width = second ? s->second_width : s->width;
    r->height = second ? s->second_height : s->height;
    if (second) {
        r->second_model = s->second_name;
        r->second_digest = s->second_model;
    }
    r->output_fps = recipe_int(f->recipe, "output_fps", 0);
    r->output_width = recipe_int(f->recipe, "output_width", 0);
    r->output_height = recipe_int(f->recipe, "output_height", 0);
}

static void fill_history(struct clip_facts *f)
{
    struct publish_record *r = &f->record;
    const struct clip_parts *p = &f->parts;
    r->recipe = f->recipe;
    r->fingerprint = p->fingerprint;
    r->worker = p->worker != NULL ? p->worker : "";
    r->attempts = p->attempts;
    r->steps_computed = p->steps_computed;
    r->steps_wasted = p->steps_wasted;
    r->started_ms = p->started_ms;
    r->rendered_ms = p->rendered_ms;
}

bool clip_facts_fill(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                     struct error *err)
{
    struct batch_info batch;
    memset(f, 0, sizeof(*f));
    if (!farm_batch_info(c->farm, task->batch, &batch)) {
        return error_set(err, ERROR_NOT_FOUND, "there is no batch %s", task->batch);
    }
    f->record.submitted_ms = batch.created_ms;
    if (!fill_names(f, c, task, &batch, err) || !fill_parts(f, c, task, err) ||
        !fill_files(f, c, err))
        return false;
    fill_shape(f);
    fill_history(f);
    if (f->shape.plan.method == PLAN_WHOLE) f->record.suspect = suspect_of(c, task);
    return true;
}

void clip_facts_finish(struct clip_facts *f)
{
    free(f->folder);
    free(f->prompt);
    free(f->before);
    free(f->audio);
    json_decref(f->record.segments);
    json_decref(f->recipe);
    clip_parts_finish(&f->parts);
    memset(f, 0, sizeof(*f));
}

/* Asks prompts, store and core. */
#include "coordinator/clip_facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"

static bool fill_names(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                       const struct batch_info *batch, struct error *err)
{
    struct prompts_clip clip;
    const char *folder = catalog_folder(&c->catalog, task->batch);
    if (folder == NULL)
        return error_set(err, ERROR_NOT_FOUND, "batch %s has no folder", task->batch);
    if (!prompts_clip(c->prompts, task->batch, task->clip, &clip, err)) return false;
    f->folder = path_join(c->renders, folder);
    f->prompt = xstrndup(clip.text, clip.text_size);
    publish_clip_name(task->clip, batch->clips, f->prompt, clip.seed, f->name);
    f->recipe = prompts_recipe(c->prompts, task->batch, task->clip, err);
    if (f->recipe == NULL) return false;
    struct group_info group;
    if (!farm_group_info(c->farm, task->batch, clip.group, &group)) {
        return error_set(err, ERROR_INTERNAL, "batch %s has no group %u", task->batch, clip.group);
    }
    f->model = xstrdup(group.shape.model_name);
    f->record.model_digest = group.shape.model;
    f->record.frames = group.shape.frames;
    f->record.width = group.shape.width;
    f->record.height = group.shape.height;
    f->kind = group.shape.output;
    return json_get_real_or(f->recipe, "fps", group.shape.fps, &f->record.fps, "recipe", err);
}

static void take_output(void *context, const struct output_record *row)
{
    struct clip_facts *f = context;
    if (row->index != 0) return;
    f->output = row->output;
    free(f->fingerprint);
    f->fingerprint = xstrdup(row->fingerprint);
}

static bool fill_output(struct clip_facts *f, struct coordinator *c, const struct task_key *task,
                        struct error *err)
{
    if (!store_each_output(c->store, task, take_output, f, err)) return false;
    if (f->fingerprint == NULL) {
        return error_set(err, ERROR_NOT_FOUND, "%s/%u has no stored output", task->batch,
                         task->clip);
    }
    f->record.frames_sha256 = f->output.frames_sha256;
    return true;
}

static void take_attempt(void *context, const struct store_attempt *a)
{
    struct clip_facts *f = context;
    f->record.attempts++;
    f->record.steps_computed += a->steps_computed;
    f->record.steps_wasted += a->steps_wasted;
    if (a->end != END_DONE) return;
    f->record.started_ms = a->begun_ms;
    f->record.rendered_ms = a->ended_ms;
    free(f->worker);
    f->worker = xstrdup(a->worker);
}

static const char *suspect_of(struct coordinator *c, const struct task_key *task)
{
    struct task_record row;
    bool known = farm_task_record(c->farm, task, &row) || store_task(c->store, task, &row, NULL);
    if (!known || row.suspect == SUSPECT_NONE) return NULL;
    return suspect_name(row.suspect); /* static */
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
    if (!fill_names(f, c, task, &batch, err) || !fill_output(f, c, task, err)) return false;
    if (!store_each_attempt(c->store, task, take_attempt, f, err)) return false;
    f->record.recipe = f->recipe;
    f->record.model = f->model;
    f->record.fingerprint = f->fingerprint;
    f->record.worker = f->worker != NULL ? f->worker : "";
    f->record.suspect = suspect_of(c, task);
    return true;
}

void clip_facts_finish(struct clip_facts *f)
{
    free(f->folder);
    free(f->prompt);
    free(f->worker);
    free(f->fingerprint);
    free(f->model);
    json_decref(f->recipe);
    memset(f, 0, sizeof(*f));
}

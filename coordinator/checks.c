/* One child an output; a clip's task has one output, others are taken one after the other. */
#include "coordinator/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/shell.h"
#include "coordinator/uploads.h"

struct check {
    struct checks *owner;
    char name[UPLOADS_NAME_SIZE];
    char *worker;
    struct effect_job job; /* job.worker is ours */
    uint32_t output;       /* being looked at */
    enum suspect suspect;
    struct media_run *run;
};

struct checks {
    struct coordinator *c;
    struct table running; /* name -> struct check */
};

struct checks *checks_create(struct coordinator *c)
{
    struct checks *k = xcalloc(1, sizeof(*k));
    k->c = c;
    table_init(&k->running);
    return k;
}

static void free_check(struct check *check)
{
    free(check->worker);
    free(check);
}

void checks_clear(struct checks *k)
{
    struct check *check = NULL;
    for (size_t i = 0; (check = table_next(&k->running, &i, NULL, NULL)) != NULL;) {
        if (check->run != NULL) media_run_cancel(check->run);
        free_check(check);
    }
    table_finish(&k->running);
    table_init(&k->running);
}

void checks_destroy(struct checks *k)
{
    if (k == NULL) return;
    checks_clear(k);
    table_finish(&k->running);
    free(k);
}

static struct attempt_key attempt_of(const struct effect_job *job)
{
    return (struct attempt_key){.task = job->task, .fence = job->worker_fence};
}

static void conclude(struct check *check, enum verdict_kind kind, const char *message)
{
    struct coordinator *c = check->owner->c;
    struct attempt_key key = attempt_of(&check->job);
    struct farm_verdict verdict = {.kind = kind, .suspect = check->suspect, .message = message};
    (void)table_remove_text(&check->owner->running, check->name);
    shell_stir(c);
    farm_verdict(c->farm, check->worker, &key, &verdict, shell_now(c));
    free_check(check);
}

static enum suspect suspect_of(const json_t *report)
{
    const char *word = json_string_value(json_object_get(report, "suspect"));
    if (word == NULL) return SUSPECT_NONE;
    if (strcmp(word, "black") == 0) return SUSPECT_BLACK;
    return strcmp(word, "still") == 0 ? SUSPECT_STILL : SUSPECT_NONE;
}

static void look_at_next(struct check *check);

static void on_done(void *context, const struct media_result *result)
{
    static const enum verdict_kind verdicts[] = {
        [MEDIA_REJECTED] = VERDICT_REJECTED,
        [MEDIA_DIED] = VERDICT_CHILD_DIED,
        [MEDIA_FULL] = VERDICT_DEFERRED,
        [MEDIA_FAILED] = VERDICT_DEFERRED,
    };
    struct check *check = context;
    check->run = NULL;
    if (result->outcome != MEDIA_OK) {
        conclude(check, verdicts[result->outcome], result->message);
        return;
    }
    /* The worker says which frames it rendered, before compression. */
    const struct output *output = &check->job.outputs[check->output];
    if (!media_report_has_frames(result->report, &output->frames_sha256)) {
        conclude(check, VERDICT_REJECTED, "its frames are not those that the worker rendered");
        return;
    }
    enum suspect seen = suspect_of(result->report);
    check->suspect = check->output == 0 || seen == check->suspect ? seen : SUSPECT_NONE;
    check->output++;
    look_at_next(check);
}

/* The shape keeps whole frames a second only. */
static double fps_of(struct coordinator *c, const struct task_key *task, uint32_t fallback)
{
    json_t *recipe = prompts_recipe(c->prompts, task->batch, task->clip, NULL);
    double fps = fallback;
    if (recipe != NULL) (void)json_get_real_or(recipe, "fps", fallback, &fps, "recipe", NULL);
    json_decref(recipe);
    return fps;
}

static void look_at_next(struct check *check)
{
    struct coordinator *c = check->owner->c;
    if (check->output == check->job.output_count) {
        conclude(check, VERDICT_SOUND, "");
        return;
    }
    char *path = artifacts_path(c->artifacts, &check->job.outputs[check->output].sha256);
    if (path == NULL) {
        conclude(check, VERDICT_REJECTED, "its file is gone");
        return;
    }
    const struct shape *shape = &check->job.shape;
    struct media_check wanted = {.segment = path,
                                 .frames = shape->frames,
                                 .width = shape->width,
                                 .height = shape->height,
                                 .fps = fps_of(c, &check->job.task, shape->fps)};
    check->run = media_check_start(c->media, &wanted, on_done, check);
    free(path);
}

void checks_start(struct checks *k, const struct effect_job *job)
{
    char name[UPLOADS_NAME_SIZE];
    struct attempt_key key = attempt_of(job);
    uploads_name(job->worker, &key, name);
    if (table_get_text(&k->running, name) != NULL) return;
    struct check *check = xcalloc(1, sizeof(*check));
    check->owner = k;
    check->worker = xstrdup(job->worker);
    check->job = *job;
    check->job.worker = check->worker;
    memcpy(check->name, name, sizeof(name));
    (void)table_set_text(&k->running, check->name, check);
    look_at_next(check);
}

/* One child an output, one after the other; a checkpoint is looked at beside the results of other
 * attempts, under a name of its own. When a child fails by its own words the file is read again
 * here: is it the disk that does not give it back? */
#include "coordinator/checks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_pace.h"
#include "base/mutation.h"
#include "base/table.h"
#include "base/xalloc.h"
#include "coordinator/reread.h"
#include "coordinator/shell.h"
#include "coordinator/task_place.h"
#include "coordinator/uploads.h"

#define CHECK_NAME_SIZE (UPLOADS_NAME_SIZE + 16)
#define TELL_NS (60 * NS_PER_S) /* of what is put off, it is logged once in that time */

struct check {
    struct checks *owner;
    char name[CHECK_NAME_SIZE];
    char *worker;
    struct effect_job job; /* job.worker is ours */
    bool is_checkpoint;
    struct task_place place;
    uint32_t output; /* being looked at */
    enum suspect suspect;
    struct digest_stream content; /* of the outputs that were looked at */
    struct media_run *run;
    struct reread *reread;
    char *failure; /* what the child said, while it is read again */
};

struct checks {
    struct coordinator *c;
    struct table running; /* name -> struct check */
    int64_t told_ns;
    struct log_pace put_off[VERDICT_DEFERRED + 1];
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
    if (check->run != NULL) media_run_cancel(check->run);
    reread_cancel(check->reread);
    free(check->failure);
    task_place_finish(&check->place);
    free(check->worker);
    free(check);
}

void checks_clear(struct checks *k)
{
    struct check *check = NULL;
    for (size_t i = 0; (check = table_next(&k->running, &i, NULL, NULL)) != NULL;)
        free_check(check);
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

static void tell_put_off(struct check *check, enum verdict_kind kind, const char *message)
{
    struct checks *k = check->owner;
    const int64_t now_ns = shell_now(k->c);
    if (kind == VERDICT_SOUND || kind == VERDICT_REJECTED) return;
    if (kind == VERDICT_DEFERRED && k->told_ns != 0 && now_ns - k->told_ns < TELL_NS) return;
    if (kind == VERDICT_DEFERRED) k->told_ns = now_ns;
    log_paced(&k->put_off[kind], now_ns, LOG_WARN, "a result could not be checked name=%s: %s",
              check->name, message);
}

static void conclude(struct check *check, enum verdict_kind kind, const char *message)
{
    struct coordinator *c = check->owner->c;
    tell_put_off(check, kind, message);
    struct attempt_key key = attempt_of(&check->job);
    struct farm_verdict verdict = {.kind = kind, .suspect = check->suspect, .message = message};
    if (kind == VERDICT_SOUND) verdict.content = digest_end(&check->content);
    (void)table_remove_text(&check->owner->running, check->name);
    shell_stir(c);
    if (check->is_checkpoint)
        farm_checkpoint_verdict(c->farm, check->worker, &key, kind, message, shell_now(c));
    else
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

static bool is_segment(const struct output *output)
{
    return strcmp(output->kind, "segment") == 0;
}

/* What a sound file can still be: other frames than the worker rendered, before compression, or
 * latents where a checkpoint should be. */
static const char *find_wrong(const struct output *output, const json_t *report)
{
    if (is_segment(output))
        return media_report_has_frames(report, &output->frames_sha256)
                   ? NULL
                   : "its frames are not those that the worker rendered";
    const char *kind = json_string_value(json_object_get(report, "kind"));
    return kind != NULL && strcmp(kind, output->kind) == 0 ? NULL
                                                           : "it is of another kind than was said";
}

/* Frames as they were seen, whatever the worker says of them; latents have one form only. */
static void note_content(struct check *check, const struct output *output, const json_t *report)
{
    struct digest content = output->sha256;
    const char *hex = json_string_value(json_object_get(report, "frames_sha256"));
    if (is_segment(output) && hex != NULL) (void)digest_parse(hex, &content);
    digest_update(&check->content, content.bytes, sizeof(content.bytes));
}

static void on_reread(void *context, const bool *damaged)
{
    struct check *check = context;
    check->reread = NULL;
    if (damaged[0])
        conclude(check, VERDICT_UNREADABLE, "what was received of it cannot be read any more");
    else
        conclude(check, VERDICT_CHILD_FAILED, check->failure);
}

static void read_again(struct check *check, const char *failure)
{
    struct coordinator *c = check->owner->c;
    const struct digest *sha256 = &check->job.outputs[check->output].sha256;
    check->failure = xstrdup(failure);
    check->reread = reread_start(&c->loop, c->artifacts, sha256, 1, on_reread, check);
}

static void look_at_next(struct check *check);

static void on_done(void *context, const struct media_result *result)
{
    static const enum verdict_kind verdicts[] = {
        [MEDIA_REJECTED] = VERDICT_REJECTED,
        [MEDIA_DIED] = VERDICT_CHILD_DIED,
        [MEDIA_FULL] = VERDICT_DEFERRED,
    };
    struct check *check = context;
    check->run = NULL;
    if (result->outcome == MEDIA_FAILED) {
        read_again(check, result->message);
        return;
    }
    if (result->outcome != MEDIA_OK) {
        conclude(check, verdicts[result->outcome], result->message);
        return;
    }
    const struct output *output = &check->job.outputs[check->output];
    const char *wrong = find_wrong(output, result->report);
    if (wrong != NULL) {
        conclude(check, VERDICT_REJECTED, wrong);
        return;
    }
    if (is_segment(output)) check->suspect = suspect_of(result->report);
    note_content(check, output, result->report);
    check->output++;
    look_at_next(check);
}

static struct media_run *look_at_segment(struct check *check, const char *path)
{
    char place[PLAN_PLACE_SIZE];
    const struct task_place *p = &check->place;
    task_place_text(p, place);
    struct media_check wanted = {.segment = path,
                                 .frames = p->task.made_frames,
                                 .width = p->width,
                                 .height = p->height,
                                 .fps = p->fps,
                                 .place = place};
    return media_check_start(check->owner->c->media, &wanted, on_done, check);
}

/* As the model makes them; it may have gone from the farm since. */
static void expect_shape(const struct check *check, struct media_latents *wanted)
{
    const struct task_place *p = &check->place;
    const struct model *m = models_find_digest(check->owner->c->models, &p->model);
    if (m == NULL || m->latent_channels == 0 || m->spatial_factor == 0) return;
    wanted->channels = m->latent_channels;
    wanted->height = p->height / m->spatial_factor;
    wanted->width = p->width / m->spatial_factor;
}

static struct media_run *look_at_latents(struct check *check, const char *path)
{
    char recipe[DIGEST_TEXT_SIZE];
    const struct plan_task *task = &check->place.task;
    digest_text(&check->place.recipe_digest, recipe);
    struct media_latents wanted = {.path = path,
                                   .recipe = recipe,
                                   .task = task->number,
                                   .first = task->first,
                                   .frames = task->frames,
                                   .step = check->is_checkpoint ? check->job.outputs[0].frames : 0};
    expect_shape(check, &wanted);
    return media_latents_start(check->owner->c->media, &wanted, on_done, check);
}

static void look_at_next(struct check *check)
{
    struct coordinator *c = check->owner->c;
    if (check->output == check->job.output_count || mutated(MUTATION_NO_CONTENT_CHECK)) {
        conclude(check, VERDICT_SOUND, "");
        return;
    }
    const struct output *output = &check->job.outputs[check->output];
    char *path = artifacts_path(c->artifacts, &output->sha256);
    if (path == NULL) {
        conclude(check, VERDICT_REJECTED, "its file is gone");
        return;
    }
    check->run = is_segment(output) ? look_at_segment(check, path) : look_at_latents(check, path);
    free(path);
}

static void name_check(const char *worker, const struct attempt_key *key, bool is_checkpoint,
                       char out[CHECK_NAME_SIZE])
{
    char name[UPLOADS_NAME_SIZE];
    uploads_name(worker, key, name);
    (void)snprintf(out, CHECK_NAME_SIZE, "%s%s", name, is_checkpoint ? ".checkpoint" : "");
}

static void drop(struct checks *k, struct check *check)
{
    (void)table_remove_text(&k->running, check->name);
    free_check(check);
}

/* The same attempt with other files was judged for an offer that is no more. */
static bool is_running(struct checks *k, const char *name, const struct effect_job *job)
{
    struct check *check = table_get_text(&k->running, name);
    if (check == NULL) return false;
    if (outputs_are_same(check->job.outputs, check->job.output_count, job->outputs,
                         job->output_count))
        return true;
    drop(k, check);
    return false;
}

static void start(struct checks *k, const struct effect_job *job, bool is_checkpoint)
{
    struct error err = {0};
    char name[CHECK_NAME_SIZE];
    struct attempt_key key = attempt_of(job);
    name_check(job->worker, &key, is_checkpoint, name);
    if (is_running(k, name, job)) return;
    struct check *check = xcalloc(1, sizeof(*check));
    check->owner = k;
    check->worker = xstrdup(job->worker);
    check->job = *job;
    check->job.worker = check->worker;
    check->is_checkpoint = is_checkpoint;
    digest_begin(&check->content);
    memcpy(check->name, name, sizeof(name));
    (void)table_set_text(&k->running, check->name, check);
    if (task_place_find(&check->place, k->c, &job->task, &err))
        look_at_next(check);
    else
        conclude(check, err.code == ERROR_NOT_FOUND ? VERDICT_REJECTED : VERDICT_DEFERRED,
                 err.message);
}

void checks_start(struct checks *k, const struct effect_job *job)
{
    start(k, job, false);
}

void checks_start_checkpoint(struct checks *k, const struct effect_job *job)
{
    start(k, job, true);
}

static void drop_named(struct checks *k, const char *worker, const struct attempt_key *key,
                       bool is_checkpoint)
{
    char name[CHECK_NAME_SIZE];
    name_check(worker, key, is_checkpoint, name);
    struct check *check = table_get_text(&k->running, name);
    if (check != NULL) drop(k, check);
}

void checks_drop(struct checks *k, const char *worker, const struct attempt_key *key)
{
    drop_named(k, worker, key, false);
}

void checks_drop_checkpoint(struct checks *k, const char *worker, const struct attempt_key *key)
{
    drop_named(k, worker, key, true);
}

/* One job a clip at a time: stitch (child), seal (pool) or place (pool). A job that was cleared
 * while a pool thread works on its files stays until that is done; what is asked for meanwhile
 * starts then. */
#include "coordinator/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

struct publisher *publisher_create(struct coordinator *c)
{
    struct publisher *p = xcalloc(1, sizeof(*p));
    p->c = c;
    p->loop = &c->loop;
    table_init(&p->jobs);
    table_init(&p->removals);
    table_init(&p->refused);
    return p;
}

void publisher_free_if_done(struct publisher *p)
{
    if (p->c != NULL || p->jobs.count > 0 || p->removals.count > 0) return;
    table_finish(&p->jobs);
    table_finish(&p->removals);
    table_finish_all(&p->refused);
    free(p);
}

static void finish_files(struct publish_job *j)
{
    clip_facts_finish(&j->facts);
    reread_cancel(j->reread);
    free(j->failure);
    free(j->out);
    j->reread = NULL;
    j->out = j->failure = NULL;
}

static void start_job(struct publisher *p, enum publish_step step, const struct effect_job *wanted);

void publish_job_end(struct publish_job *j)
{
    struct publisher *p = j->owner;
    bool again = j->again && p->c != NULL;
    enum publish_step step = j->next_step;
    struct effect_job next = j->next;
    (void)table_remove_text(&p->jobs, j->name);
    finish_files(j);
    free(j);
    if (again) start_job(p, step, &next);
    publisher_free_if_done(p);
}

void publisher_clear(struct publisher *p)
{
    struct publish_job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        j->heard = false;
        j->again = false;
        if (j->run != NULL) media_run_cancel(j->run);
        j->run = NULL;
        if (j->working) continue;
        (void)table_remove_text(&p->jobs, j->name);
        finish_files(j);
        free(j);
    }
}

void publisher_destroy(struct publisher *p)
{
    if (p == NULL) return;
    publisher_clear(p);
    p->c = NULL;
    publisher_free_if_done(p);
}

/* ---- ends of steps
 * -----------------------------------------------------------------------------------------------
 */

void publish_job_fail(struct publish_job *j, enum stitch_failure failure, const uint32_t *tasks,
                      uint32_t task_count, const char *message)
{
    struct coordinator *c = j->owner->c;
    if (j->heard && !j->again) { /* else of other segments than it has now: the next one tells */
        shell_stir(c);
        farm_stitch_failed(c->farm, j->wanted.task.batch, j->wanted.task.clip, failure, tasks,
                           task_count, message, shell_now(c));
    }
    publish_job_end(j);
}

static bool is_disk(const struct error *err)
{
    return err->code == ERROR_FULL || err->code == ERROR_IO;
}

/* Nobody's fault but the disk's, or that of the database: with that the coordinator ends, and with
 * one that was mended the clip is published. */
void publish_job_error(struct publish_job *j, const struct error *err)
{
    bool waits = is_disk(err) || store_health(j->c->store) == STORE_CORRUPT;
    publish_job_fail(j, waits ? STITCH_FULL : STITCH_DIED, NULL, 0, err->message);
}

void publish_job_file(const struct publish_job *j, const char *name, char out[PUBLISH_FILE_SIZE])
{
    (void)snprintf(out, PUBLISH_FILE_SIZE, "%s.%s", name, output_kind_extension(j->target.output));
}

void publish_job_work(struct publish_job *j, uv_work_cb work, uv_after_work_cb done)
{
    j->working = true;
    j->work.data = j;
    if (uv_queue_work(j->owner->loop, &j->work, work, done) == 0) return;
    j->working = false;
    publish_job_fail(j, STITCH_FULL, NULL, 0, "no thread to publish with");
}

/* ---- jobs
 * ------------------------------------------------------------------------------------------- */

static const struct {
    bool (*fill)(struct publish_job *j, struct error *err);
    void (*start)(struct publish_job *j);
    enum stitch_failure missing; /* what it means that something is not there */
} steps[] = {
    [PUBLISH_STITCH] = {publish_stitch_fill, publish_stitch_start, STITCH_MISSING},
    [PUBLISH_RENAME] = {publish_rename_fill, publish_rename_start, STITCH_AGAIN},
};

static void run_job(struct publish_job *j)
{
    struct error err = {0};
    j->retry_at_ns = 0;
    if (!steps[j->step].fill(j, &err)) {
        log_error("cannot publish %s: %s", j->name, err.message);
        if (err.code == ERROR_NOT_FOUND) {
            const struct clip_parts *parts = &j->facts.parts;
            publish_job_fail(j, steps[j->step].missing, parts->missing, parts->missing_count,
                             err.message);
        } else {
            publish_job_error(j, &err);
        }
        return;
    }
    j->target = (struct publish_target){.folder = j->facts.folder,
                                        .name = j->facts.name,
                                        .batch = j->wanted.task.batch,
                                        .clip = j->wanted.task.clip,
                                        .output = j->facts.kind};
    steps[j->step].start(j);
}

static void start_job(struct publisher *p, enum publish_step step, const struct effect_job *wanted)
{
    char name[32];
    (void)snprintf(name, sizeof(name), "%s/%u", wanted->task.batch, wanted->task.clip);
    struct publish_job *j = table_get_text(&p->jobs, name);
    if (j != NULL) {
        j->again = true;
        j->next_step = step;
        j->next = *wanted;
        return;
    }
    j = xcalloc(1, sizeof(*j));
    j->owner = p;
    j->c = p->c;
    j->step = step;
    j->wanted = *wanted;
    j->heard = true;
    memcpy(j->name, name, sizeof(name));
    (void)table_set_text(&p->jobs, j->name, j);
    run_job(j);
}

void publisher_stitch(struct publisher *p, const struct effect_job *job)
{
    start_job(p, PUBLISH_STITCH, job);
}

void publisher_rename(struct publisher *p, const struct effect_job *job)
{
    start_job(p, PUBLISH_RENAME, job);
}

static struct publish_job *find_due(const struct publisher *p, int64_t now_ns)
{
    struct publish_job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        if (j->retry_at_ns != 0 && j->retry_at_ns <= now_ns) return j;
    }
    return NULL;
}

/* A job that runs may end, and another begin: the table is walked anew. */
void publisher_tick(struct publisher *p, int64_t now_ns)
{
    struct publish_job *j = NULL;
    while ((j = find_due(p, now_ns)) != NULL) {
        finish_files(j);
        run_job(j);
    }
    publisher_remove_again(p, now_ns);
}

int64_t publisher_next(const struct publisher *p)
{
    int64_t next_ns = p->refused.count > 0 ? p->remove_again_ns : INT64_MAX;
    const struct publish_job *j = NULL;
    for (size_t i = 0; (j = table_next(&p->jobs, &i, NULL, NULL)) != NULL;) {
        if (j->retry_at_ns != 0 && j->retry_at_ns < next_ns) next_ns = j->retry_at_ns;
    }
    return next_ns;
}

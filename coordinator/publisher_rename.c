/* The second step: sidecar and video get their names (B2). */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "coordinator/publisher_job.h"
#include "coordinator/shell.h"

#define RETRY_NS (5 * NS_PER_S)

/* What is renamed has the name and digest that were committed, whatever would be made today. */
bool publish_rename_fill(struct publish_job *j, struct error *err)
{
    struct clip_record row;
    const struct task_key *task = &j->wanted.task;
    const char *folder = catalog_folder(&j->c->catalog, task->batch);
    if (folder == NULL) return error_set(err, ERROR_NOT_FOUND, "batch %s is gone", task->batch);
    if (!store_clip(j->c->store, task->batch, task->clip, &row, err)) return false;
    const char *dot = strrchr(row.file, '.');
    const size_t size = dot != NULL ? (size_t)(dot - row.file) : 0;
    if (size == 0 || size >= sizeof(j->facts.name) ||
        !output_kind_of_path(row.file, &j->facts.kind)) {
        return error_set(err, ERROR_NOT_FOUND, "%s has no name in the database", j->name);
    }
    j->facts.folder = path_join(j->c->renders, folder);
    memcpy(j->facts.name, row.file, size);
    j->facts.name[size] = '\0';
    j->sha256 = row.sha256;
    j->sealed.size_bytes = row.size_bytes;
    return true;
}

static void place_work(uv_work_t *work)
{
    struct publish_job *j = work->data;
    j->ok = publish_place(&j->target, &j->sha256, &j->placed, &j->err);
}

static void tell_renamed(struct publish_job *j)
{
    struct coordinator *c = j->c;
    if (!j->placed.renamed) return;
    char file[PUBLISH_FILE_SIZE], message[PUBLISH_FILE_SIZE + 64];
    publish_job_file(j, j->placed.name, file);
    (void)snprintf(message, sizeof(message), "a foreign file had its name: published as %s", file);
    struct event_record event = {.kind = "clip.renamed",
                                 .batch = j->wanted.task.batch,
                                 .has_clip = true,
                                 .clip = j->wanted.task.clip,
                                 .worker = "",
                                 .message = message,
                                 .at_ms = clock_wall_ms()};
    shell_event(c, &event);
}

static void on_placed(uv_work_t *work, int status)
{
    struct publish_job *j = work->data;
    struct coordinator *c = j->c;
    j->working = false;
    if (!j->heard) {
        publish_job_end(j);
        return;
    }
    if (status != 0 || (!j->ok && j->err.code != ERROR_STATE)) {
        log_warn("publishing is held up clip=%s: %s", j->name, j->err.message);
        j->retry_at_ns = shell_now(c) + RETRY_NS;
        shell_stir(c);
        return;
    }
    if (!j->ok) {
        publish_job_fail(j, STITCH_AGAIN, NULL, 0, j->err.message);
        return;
    }
    char file[PUBLISH_FILE_SIZE];
    publish_job_file(j, j->placed.name, file);
    struct farm_video video = {.sha256 = j->sha256,
                               .size_bytes = 0,
                               .sidecar_bytes = j->placed.sidecar_bytes,
                               .file = file};
    video.size_bytes = j->sealed.size_bytes;
    shell_stir(c);
    tell_renamed(j);
    farm_clip_renamed(c->farm, j->wanted.task.batch, j->wanted.task.clip, &video, shell_now(c));
    publish_job_end(j);
}

void publish_rename_start(struct publish_job *j)
{
    publish_job_work(j, place_work, on_placed);
}

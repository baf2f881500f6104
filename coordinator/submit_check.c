/* submit_check: a submission whose file is here: checked and prepared on a pool thread, handed on
 * for the commit, answered after it. See submit_transfer_state.h and submit_transfer.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "coordinator/memory_probe.h"
#include "coordinator/models.h"
#include "coordinator/rebuild.h"
#include "coordinator/submit_transfer_state.h"

/* ---- checking (pool thread) ---- */

static json_t *about_groups(const struct submit_result *r)
{
    json_t *groups = json_array();
    for (uint32_t i = 0; i < r->group_count; i++) {
        const struct submit_group *g = &r->groups[i];
        char digest[DIGEST_TEXT_SIZE];
        digest_text(&g->model_digest, digest);
        json_array_append_new(
            groups,
            json_pack("{ss ss sI sI sI sI sf sI sO}", "model", g->model, "model_digest", digest,
                      "width", (json_int_t)g->width, "height", (json_int_t)g->height, "num_frames",
                      (json_int_t)g->frames, "num_inference_steps", (json_int_t)g->steps, "fps",
                      g->fps, "clips", (json_int_t)g->clips, "base", g->base));
    }
    return groups;
}

static void add_rebuild_facts(const struct submit_transfer *t, json_t *about)
{
    struct rebuild_facts facts = {.key = t->key,
                                  .default_key = t->default_key,
                                  .content = t->content,
                                  .submitted_ms = t->submitted_ms,
                                  .options = t->request.options};
    rebuild_facts_add(about, &facts, &t->result);
}

static bool prepare_folder(struct submit_transfer *t, struct error *err)
{
    const struct submit_request *r = &t->request;
    json_t *options = json_parse(*r->options ? r->options : "{}",
                                 *r->options ? strlen(r->options) : 2, "options", err);
    if (options == NULL) return false;
    json_t *groups = about_groups(&t->result);
    json_t *about = publish_batch_about(t->batch, r->name, r->owner, r->priority, t->submitted_ms,
                                        t->result.prompts, t->result.clips, options, groups);
    add_rebuild_facts(t, about);
    struct publish_batch batch = {.renders = t->renders,
                                  .batch = t->batch,
                                  .folder = t->folder,
                                  .about = about,
                                  .source = t->path,
                                  .recipes = t->prompts_path,
                                  .source_is_jsonl = r->format == SUBMIT_JSONL};
    bool ok = publish_batch_prepare(&batch, err);
    json_decref(about);
    json_decref(groups);
    json_decref(options);
    return ok;
}

static bool check_digest(struct submit_transfer *t, struct error *err)
{
    struct digest found;
    if (!digest_of_file_until(t->path, &t->stop, &found, NULL, err)) return false;
    return digest_equal(&found, &t->request.sha256) ||
           error_set(err, ERROR_INVALID, "the file arrived with another SHA-256: send it again");
}

static bool is_wanted(struct submit_transfer *t, struct error *err)
{
    return !atomic_load(&t->stop) ||
           error_set(err, ERROR_INTERRUPTED, "nobody waits for it any more");
}

/* The lines are right: what the commit needs. */
static bool prepare(struct submit_transfer *t, struct error *err)
{
    memory_book_fill(t->book, t->models, &t->stop, &t->result);
    if (is_wanted(t, err) && prepare_folder(t, err)) return true;
    unlink(t->prompts_path);
    return false;
}

static void check(uv_work_t *work)
{
    struct submit_transfer *t = work->data;
    struct submit_input input = {.format = t->request.format,
                                 .options = t->request.options,
                                 .models = t->models,
                                 .stop = &t->stop,
                                 .prompts_path = t->request.dry_run ? NULL : t->prompts_path};
    t->sound = check_digest(t, &t->why);
    if (!t->sound) return;
    t->parsed = true;
    t->sound = submit_file_parse_path(t->path, &input, &t->result, &t->why);
    if (t->sound && !t->request.dry_run) t->sound = prepare(t, &t->why);
}

/* ---- after the check ---- */

void submit_check_drop(struct submit_transfer *t)
{
    publish_batch_drop(t->renders, t->batch);
    unlink(t->prompts_path);
}

static struct submit_answer good_answer(const struct submit_transfer *t)
{
    return (struct submit_answer){.batch = t->request.dry_run ? "" : t->batch,
                                  .folder = t->request.dry_run ? "" : t->folder,
                                  .key = t->key,
                                  .prompts = t->result.prompts,
                                  .clips = t->result.clips,
                                  .plans = t->request.dry_run ? &t->result : NULL,
                                  .warnings = t->result.warnings,
                                  .warning_count = t->result.warning_count};
}

static void ask_for_commit(struct submit_transfers *s, struct submit_transfer *t)
{
    struct submit_ready ready = {.transfer = t,
                                 .owner = t->request.owner,
                                 .name = t->request.name,
                                 .sees_all = t->request.sees_all,
                                 .key = t->key,
                                 .default_key = t->default_key,
                                 .content = t->content,
                                 .priority = t->request.priority,
                                 .submitted_ms = t->submitted_ms,
                                 .options = t->request.options,
                                 .result = &t->result};
    memcpy(ready.batch, t->batch, sizeof ready.batch);
    memcpy(ready.folder, t->folder, sizeof ready.folder);
    t->state = TRANSFER_READY;
    s->callbacks.accept(s->callbacks.context, &ready);
}

static void go_on(struct submit_transfer *t)
{
    struct submit_transfers *s = t->all;
    if (s == NULL) { /* nobody wants it any more */
        if (t->sound && !t->request.dry_run) submit_check_drop(t);
        submit_transfer_free(t);
    } else if (!t->sound) {
        submit_transfer_refuse(s, t, &t->why);
        submit_transfer_end(s, t);
    } else if (t->request.dry_run) {
        struct submit_answer answer = good_answer(t);
        submit_crowd_answer(&t->crowd, &s->callbacks, &answer);
        submit_transfer_end(s, t);
    } else {
        ask_for_commit(s, t);
    }
}

static void check_next(struct submit_transfers *s);

static void on_checked(uv_work_t *work, int status)
{
    struct submit_transfer *t = work->data;
    struct submit_transfers *all = submit_lanes_leave(t->lanes, submit_lanes_of(t));
    if (status != 0) {
        t->sound = false;
        error_set(&t->why, ERROR_INTERRUPTED, "the check was broken off");
    }
    go_on(t);
    if (all != NULL) check_next(all);
}

static void begin(struct submit_transfers *s, struct submit_transfer *t)
{
    t->state = TRANSFER_CHECKING;
    t->models = models_list(s->models);
    t->book = memory_book_ref(s->book);
    t->lanes = s->lanes;
    t->work.data = t;
    submit_lanes_enter(s->lanes, t);
    uv_queue_work(s->loop, &t->work, check, on_checked);
}

static void check_next(struct submit_transfers *s)
{
    for (int lane = 0; lane < SUBMIT_LANES; lane++) {
        struct submit_transfer *t = submit_lanes_next(s->lanes, lane);
        if (t != NULL) begin(s, t);
    }
}

void submit_check_start(struct submit_transfers *s, struct submit_transfer *t)
{
    t->state = TRANSFER_WHOLE;
    if (t->fd >= 0) close(t->fd);
    t->fd = -1;
    do {
        id_new_batch(t->batch);
    } while (!s->callbacks.id_is_free(s->callbacks.context, t->batch));
    publish_folder_name(t->batch, t->request.name, t->folder);
    t->submitted_ms = clock_wall_ms();
    t->prompts_path = xasprintf("%s/%s.prompts", s->prompts, t->batch);
    t->renders = xstrdup(s->renders);
    check_next(s);
}

void submit_check_abandon(struct submit_transfer *t)
{
    t->all = NULL;
    atomic_store(&t->stop, true);
}

void submit_transfer_warn(struct submit_transfer *t, const char *text)
{
    struct submit_result *r = &t->result;
    if (r->warning_count < SUBMIT_WARNINGS) r->warnings[r->warning_count++] = xstrdup(text);
}

void submit_transfer_accepted(struct submit_transfers *s, struct submit_transfer *t)
{
    struct error err;
    struct submit_answer answer = good_answer(t);
    if (!publish_batch_place(t->renders, t->batch, t->folder, &err)) {
        /* committed all the same: the next start places the folder */
        log_error("the folder of batch %s: %s", t->batch, err.message);
    }
    submit_crowd_answer(&t->crowd, &s->callbacks, &answer);
    submit_transfer_end(s, t);
}

void submit_transfer_failed(struct submit_transfers *s, struct submit_transfer *t,
                            const struct error *err)
{
    submit_check_drop(t);
    submit_transfer_refuse(s, t, err);
    submit_transfer_end(s, t);
}

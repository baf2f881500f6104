#include "worker/plan_run.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "media/segment_writer.h"
#include "worker/raw_images.h"

extern char **environ;

#define NAME_SIZE 64

struct stage {
    json_t *recipe;
    struct engine_model *model;
    struct engine_images init, mask; /* of the whole clip */
    int width, height;
    uint8_t *frames; /* made so far, from the plan's start on */
};

struct run {
    const struct plan *plan;
    const struct plan_run_options *options;
    char digest[DIGEST_TEXT_SIZE];
    struct stage stages[2];
    struct engine_images before;
};

/* ---- files ---- */

static char *file_of(const struct run *r, const char *format, uint32_t task)
{
    char name[NAME_SIZE];
    (void)snprintf(name, sizeof name, "%s.%u.%s",
                   strcmp(format, "mkv") == 0 ? "segment" : "latents", task, format);
    return path_join(r->options->out, name);
}

static size_t frame_bytes(const struct stage *s)
{
    return (size_t)3 * (size_t)s->width * (size_t)s->height;
}

static bool write_segment(const struct run *r, const struct stage *s, const struct plan_task *task,
                          const uint8_t *frames, struct error *err)
{
    char place[PLAN_PLACE_SIZE], *path = file_of(r, "mkv", task->number);
    const struct frames_shape shape = {.width = s->width,
                                       .height = s->height,
                                       .rate = {(int)recipe_int(s->recipe, "fps", 1), 1},
                                       .count = task->made_frames};
    struct segment_result result;
    plan_place(r->digest, task, place);
    struct segment_writer *w = r->plan->method == PLAN_WHOLE
                                   ? segment_writer_open(path, &shape, err)
                                   : segment_writer_open_at(path, &shape, place, err);
    bool ok = w != NULL;
    for (uint32_t f = 0; ok && f < task->made_frames; f++)
        ok = segment_writer_push(w, frames + f * frame_bytes(s), err);
    ok = ok && segment_writer_finish(w, &result, err);
    segment_writer_destroy(w);
    free(path);
    return ok;
}

/* ---- one task ---- */

/* The window's frames of pictures of the whole clip; one picture stands for all. */
static struct engine_images slice(const struct engine_images *all, uint32_t first, uint32_t frames,
                                  size_t frame_size)
{
    struct engine_images part = *all;
    if (all->data == NULL || all->frames == 1) return part;
    part.frames = (int)frames;
    part.data = all->data + first * frame_size;
    return part;
}

static bool deliver(struct run *r, struct stage *s, struct engine_job *job,
                    const struct plan_task *task, struct error *err)
{
    uint8_t *to = s->frames + (size_t)(task->made_first - r->plan->start) * frame_bytes(s);
    char *path = file_of(r, "safetensors", task->number);
    bool ok = !task->latents || engine_job_hand_over(job, path, err);
    if (ok && task->made_frames > 0)
        ok = engine_job_decode(job, 0, (int)(task->made_first - task->first),
                               (int)task->made_frames, to, err) &&
             write_segment(r, s, task, to, err);
    free(path);
    return ok;
}

static bool step_all(struct engine_job *job, struct error *err)
{
    while (engine_job_step_index(job) < engine_job_step_count(job))
        if (!engine_job_step(job, err)) return false;
    return true;
}

static int name_inputs(const struct run *r, const struct plan_task *task, char **names)
{
    int count = 0;
    for (uint32_t i = 0; i < task->input_count; i++)
        if (task->inputs[i].output == PLAN_LATENTS)
            names[count++] = file_of(r, "safetensors", task->inputs[i].task);
    return count;
}

static bool render_task(struct run *r, const struct plan_task *task, struct error *err)
{
    struct stage *s = &r->stages[task->stage];
    char *names[PLAN_INPUTS_MAX];
    const int count = name_inputs(r, task, names);
    const size_t size = frame_bytes(s);
    struct engine_request request = {.recipe = s->recipe,
                                     .init = slice(&s->init, task->first, task->frames, size),
                                     .mask = slice(&s->mask, task->first, task->frames, size / 3),
                                     .window = {.plan = r->plan,
                                                .task = task,
                                                .latents = (const char *const *)names,
                                                .latents_count = count,
                                                .held = r->options->held,
                                                .before = r->before},
                                     .clip_digest = r->digest};
    if (task->stage == 1) {
        request.window.base = request.init;
        request.init = (struct engine_images){0};
    }
    if (r->before.data != NULL) request.window.before.frames = (int)task->held_first;
    struct engine_job *job = engine_job_new(s->model, &request, 1, err);
    const bool ok = job != NULL && step_all(job, err) && deliver(r, s, job, task, err);
    engine_job_free(job);
    for (int i = 0; i < count; i++)
        free(names[i]);
    return ok;
}

/* ---- stages ---- */

static bool open_stage(struct run *r, uint32_t stage, const json_t *recipe, struct error *err)
{
    struct stage *s = &r->stages[stage];
    const struct plan_run_options *o = r->options;
    const int frames = (int)r->plan->frames;
    const char *folder = o->models[stage];
    if (folder == NULL) return error_set(err, ERROR_USAGE, "which one is the second model?");
    s->recipe = plan_stage_recipe(recipe, stage);
    s->width = (int)recipe_int(s->recipe, "width", 0);
    s->height = (int)recipe_int(s->recipe, "height", 0);
    s->frames = alloc_checked(r->plan->frames - r->plan->start, frame_bytes(s), "frames", err);
    s->model = s->frames != NULL ? engine_open(folder, &o->engine, err) : NULL;
    if (s->model == NULL || stage == 1) return s->model != NULL;
    return raw_images_read(o->init_raw, s->recipe, frames, 3, &s->init, err) &&
           raw_images_read(o->mask_raw, s->recipe, frames, 1, &s->mask, err) &&
           raw_images_read(o->before_raw, s->recipe, (int)r->plan->overlap, 3, &r->before, err);
}

static void close_stage(struct stage *s)
{
    engine_close(s->model);
    raw_images_free(&s->init);
    raw_images_free(&s->mask);
    free(s->frames);
    json_decref(s->recipe);
}

/* What it says on stdout is not ours to print. */
static bool run_child(char *const *argv, struct error *err)
{
    pid_t pid;
    int status;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawn(&pid, argv[0], &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed != 0) return error_set(err, ERROR_FAILED, "%s cannot be started", argv[0]);
    if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return error_set(err, ERROR_FAILED, "%s: %s failed", argv[0], argv[1]);
}

/* The first stage's frames in the second one's size, by the program that workers ask, too. */
static bool scale_base(struct run *r, const char *from, const char *to, struct error *err)
{
    const struct stage *s = &r->stages[1];
    char size[NAME_SIZE], frames[NAME_SIZE], fps[NAME_SIZE];
    char *folder = path_own_folder(), *program = path_join(folder, "zoe-media");
    (void)snprintf(size, sizeof size, "%dx%d", s->width, s->height);
    (void)snprintf(frames, sizeof frames, "%u", r->plan->frames);
    (void)snprintf(fps, sizeof fps, "%d", (int)recipe_int(s->recipe, "fps", 1));
    const char *argv[] = {program, "frames", from, "--size", size, "--frames",
                          frames,  "--fps",  fps,  "--out",  to,   NULL};
    const bool ok = run_child((char *const *)(uintptr_t)argv, err);
    free(program);
    free(folder);
    return ok;
}

static bool make_base(struct run *r, struct error *err)
{
    struct stage *s = &r->stages[1];
    const struct plan_task all = {.made_frames = r->plan->frames, .number = UINT32_MAX};
    char *from = file_of(r, "mkv", all.number), *to = path_join(r->options->out, "base.raw");
    const bool ok = write_segment(r, &r->stages[0], &all, r->stages[0].frames, err) &&
                    scale_base(r, from, to, err) &&
                    raw_images_read(to, s->recipe, (int)r->plan->frames, 3, &s->init, err);
    (void)unlink(from);
    free(from);
    free(to);
    return ok;
}

static bool begin_stage(struct run *r, uint32_t stage, const json_t *recipe, struct error *err)
{
    if (r->stages[stage].model != NULL) return true;
    return open_stage(r, stage, recipe, err) && (stage == 0 || make_base(r, err));
}

/* ---- the whole ---- */

static bool run_tasks(struct run *r, const json_t *recipe, plan_run_done_fn *done,
                      struct error *err)
{
    struct plan_task task;
    const uint32_t count = plan_task_count(r->plan);
    for (uint32_t i = 0; i < count; i++) {
        const int64_t begun_ns = clock_now_ns();
        plan_task(r->plan, i, &task);
        if (!begin_stage(r, task.stage, recipe, err) || !render_task(r, &task, err))
            return error_wrap(err, "task %u", i);
        done(&task, (double)(clock_now_ns() - begun_ns) / NS_PER_S);
    }
    return true;
}

bool plan_run(const json_t *recipe, const struct plan *plan, const struct plan_run_options *options,
              plan_run_done_fn *done, struct error *err)
{
    struct run r = {.plan = plan, .options = options};
    const struct digest digest = recipe_digest(recipe);
    const struct stage *last = &r.stages[plan_stages(plan) - 1];
    char *path = path_join(options->out, "frames.raw");
    digest_text(&digest, r.digest);
    const bool ok = path_make_folders(options->out, 0755, err) &&
                    run_tasks(&r, recipe, done, err) &&
                    path_write_atomic(path, last->frames,
                                      frame_bytes(last) * (plan->frames - plan->start), 0644, err);
    raw_images_free(&r.before);
    close_stage(&r.stages[0]);
    close_stage(&r.stages[1]);
    free(path);
    return ok;
}

/* Two threads: one reads the pipe, so that a cancel is heard while the other renders. They meet in
 * `struct serve` under its lock; the pipe to the worker is written by the rendering thread only. */
#include "worker/engine_serve.h"

#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/recipe.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "media/segment_writer.h"
#include "worker/pipe.h"
#include "worker/raw_images.h"

struct serve {
    struct engine_options options;
    struct engine_model *model; /* rendering thread */
    char *model_key;            /* folder and LoRAs */
    int64_t parent;             /* process id of the worker; 0 = not told */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    json_t *request;        /* waiting to be rendered */
    struct engine_job *job; /* being rendered */
    char *canceled;         /* attempt that must stop; may name one that has not begun */
};

/* One request while it is rendered. */
struct render {
    struct serve *serve;
    const char *attempt; /* opaque to the child, repeated in every answer */
    const char *output;
    const char *init, *mask; /* files of raw pictures, or NULL */
    const json_t *recipe;
    int64_t begun_ns;
    int64_t spoke_ns; /* last message about it: "alive" is throttled */
    int steps_done;
};

#define ALIVE_NS (500 * NS_PER_MS)

/* ---- speaking ---- */

/* A worker that does not listen any more is gone. */
static void speak(struct render *r, const char *type, json_t *fields)
{
    json_object_set_new(fields, "attempt", json_string(r->attempt));
    r->spoke_ns = clock_now_ns();
    if (!pipe_write(STDOUT_FILENO, type, fields, NULL)) _exit(1);
}

static void on_progress(void *arg, const struct engine_progress *p)
{
    struct render *r = arg;
    bool whole = p->fraction >= 1 || p->fraction <= 0;
    if (p->phase == ENGINE_DECODE && whole)
        speak(r, "frame", json_pack("{sisi}", "done", p->done, "total", p->total));
    else if (!whole && clock_now_ns() - r->spoke_ns >= ALIVE_NS)
        speak(r, "alive", json_pack("{sf}", "fraction", p->fraction));
}

static void speak_done(struct render *r, const struct segment_result *result,
                       const struct engine_shape *shape)
{
    char sha256[DIGEST_TEXT_SIZE], frames_sha256[DIGEST_TEXT_SIZE];
    digest_text(&result->sha256, sha256);
    digest_text(&result->frames_sha256, frames_sha256);
    json_t *fields = json_pack("{sssIsssIsisisisI}", "sha256", sha256, "size_bytes",
                               (json_int_t)result->size_bytes, "frames_sha256", frames_sha256,
                               "frames", (json_int_t)result->frames, "width", shape->width,
                               "height", shape->height, "steps", r->steps_done, "render_ms",
                               (json_int_t)((clock_now_ns() - r->begun_ns) / NS_PER_MS));
    speak(r, "done", fields);
}

static void speak_failed(struct render *r, const struct error *err)
{
    speak(r, "failed",
          json_pack("{sssssi}", "code", error_name(err->code), "message", err->message, "steps",
                    r->steps_done));
}

/* ---- rendering ---- */

static char *key_of(const char *folder, const json_t *loras)
{
    char *text = loras ? json_canonical(loras) : xstrdup("");
    char *key = xasprintf("%s\n%s", folder, text);
    free(text);
    return key;
}

static void warn_of_strangers(const json_t *report)
{
    size_t i;
    const json_t *file;
    json_array_foreach(report, i, file)
    {
        const json_int_t left_out = json_integer_value(json_object_get(file, "unmatched"));
        if (left_out > 0)
            log_warn("LoRA %s: %lld of its tensors do not belong to this model",
                     json_string_value(json_object_get(file, "file")), (long long)left_out);
    }
}

/* A model that is open belongs to its LoRAs and their strengths. */
static bool ensure_model(struct render *r, const char *folder, const json_t *loras,
                         struct error *err)
{
    struct serve *s = r->serve;
    char *key = key_of(folder, loras);
    if (s->model && strcmp(s->model_key, key) == 0) {
        free(key);
        return true;
    }
    speak(r, "loading", json_object());
    engine_close(s->model);
    free(s->model_key);
    s->model_key = key;
    s->options.loras = loras;
    s->model = engine_open(folder, &s->options, err);
    s->options.loras = NULL; /* the request's */
    if (s->model) warn_of_strangers(engine_lora_report(s->model));
    return s->model != NULL;
}

/* Makes the job visible to the reading thread, or takes it away. A cancel that came before is
 * obeyed. */
static void publish_job(struct render *r, struct engine_job *job)
{
    struct serve *s = r->serve;
    pthread_mutex_lock(&s->lock);
    s->job = job;
    if (job && s->canceled && strcmp(s->canceled, r->attempt) == 0) engine_job_cancel(job);
    pthread_mutex_unlock(&s->lock);
}

static bool run_steps(struct render *r, struct engine_job *job, struct error *err)
{
    int total = engine_job_step_count(job);
    while (engine_job_step_index(job) < total) {
        if (!engine_job_step(job, err)) return false;
        r->steps_done = engine_job_step_index(job);
        speak(r, "step", json_pack("{sisi}", "done", r->steps_done, "total", total));
    }
    return true;
}

static bool write_frames(struct render *r, struct engine_job *job, const struct frames_shape *shape,
                         struct segment_result *result, struct error *err)
{
    uint8_t *rgb = alloc_checked(1, frames_size_bytes(shape), "a frame", err);
    struct segment_writer *writer = rgb ? segment_writer_open(r->output, shape, err) : NULL;
    bool ok = writer != NULL;
    for (int f = 0; ok && f < (int)shape->count; f++) {
        ok = engine_job_decode(job, 0, f, 1, rgb, err) && segment_writer_push(writer, rgb, err);
        if (ok) speak(r, "frame", json_pack("{sisi}", "done", f + 1, "total", (int)shape->count));
    }
    ok = ok && segment_writer_finish(writer, result, err);
    segment_writer_destroy(writer);
    free(rgb);
    return ok;
}

static bool render_job(struct render *r, struct engine_job *job, struct error *err)
{
    struct engine_shape shape = engine_job_shape(job);
    int64_t fps;
    struct segment_result result;
    if (!json_get_int(r->recipe, "fps", &fps, "recipe", err)) return false;
    struct frames_shape frames = {
        .width = shape.width, .height = shape.height, .rate = {(int)fps, 1}, .count = shape.frames};
    if (!frames_shape_check(&frames, err)) return false;
    engine_job_watch(job, on_progress, r);
    if (!run_steps(r, job, err) || !write_frames(r, job, &frames, &result, err)) return false;
    speak_done(r, &result, &shape);
    return true;
}

/* The pictures are encoded at once; nobody needs them after that. */
static struct engine_job *new_job(struct render *r, struct error *err)
{
    struct engine_job *job = NULL;
    struct engine_request request = {.recipe = r->recipe};
    const int frames = (int)recipe_int(r->recipe, "num_frames", 1);
    if (raw_images_read(r->init, r->recipe, frames, 3, &request.init, err) &&
        raw_images_read(r->mask, r->recipe, frames, 1, &request.mask, err))
        job = engine_job_new(r->serve->model, &request, 1, err);
    raw_images_free(&request.init);
    raw_images_free(&request.mask);
    return job;
}

static bool render_request(struct render *r, const char *folder, const json_t *loras,
                           struct error *err)
{
    if (!ensure_model(r, folder, loras, err)) return false;
    struct engine_job *job = new_job(r, err);
    if (!job) return false;
    const char *warning;
    for (int i = 0; (warning = engine_job_warning(job, i)) != NULL; i++)
        speak(r, "warning", json_pack("{ss}", "message", warning));
    publish_job(r, job);
    bool ok = render_job(r, job, err);
    publish_job(r, NULL);
    engine_job_free(job);
    return ok;
}

static void handle_request(struct serve *s, json_t *request)
{
    struct error err = {0};
    const char *folder;
    struct render r = {
        .serve = s, .begun_ns = clock_now_ns(), .recipe = json_object_get(request, "recipe")};
    bool ok = json_get_text(request, "attempt", &r.attempt, "render", &err) &&
              json_get_text(request, "output", &r.output, "render", &err) &&
              json_get_text(request, "model", &folder, "render", &err) &&
              json_get_text_or(request, "init", NULL, &r.init, "render", &err) &&
              json_get_text_or(request, "mask", NULL, &r.mask, "render", &err) &&
              (json_is_object(r.recipe) || error_set(&err, ERROR_INVALID, "render: no recipe"));
    if (!ok) {
        log_error("%s", err.message);
        _exit(1);
    }
    if (render_request(&r, folder, json_object_get(request, "loras"), &err)) return;
    log_error("%s", err.message);
    speak_failed(&r, &err);
}

/* ---- listening ---- */

static void cancel_attempt(struct serve *s, const char *attempt)
{
    free(s->canceled);
    s->canceled = xstrdup(attempt ? attempt : "");
    if (s->job) engine_job_cancel(s->job);
}

/* Takes the message: one that is to be rendered belongs to the other thread from here on. */
static void take_message(struct serve *s, json_t *message)
{
    json_t *done = message;
    pthread_mutex_lock(&s->lock);
    if (strcmp(pipe_type(message), "render") == 0) {
        done = s->request;
        s->request = message;
    } else if (strcmp(pipe_type(message), "cancel") == 0) {
        cancel_attempt(s, json_string_value(json_object_get(message, "attempt")));
    }
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    json_decref(done);
}

static void *hear(void *arg)
{
    struct serve *s = arg;
    struct error err = {0};
    json_t *message;
    while ((message = pipe_read(STDIN_FILENO, &err)) != NULL)
        take_message(s, message);
    if (err.code != ERROR_NONE) log_error("%s", err.message);
    _exit(err.code == ERROR_NONE ? 0
                                 : 1); /* the worker is gone: nobody wants what is being rendered */
}

static json_t *next_request(struct serve *s)
{
    pthread_mutex_lock(&s->lock);
    while (!s->request)
        pthread_cond_wait(&s->changed, &s->lock);
    json_t *request = s->request;
    s->request = NULL;
    pthread_mutex_unlock(&s->lock);
    return request;
}

/* ---- start ---- */

static bool parse_options(struct serve *s, int argc, char **argv)
{
    static const struct option LONG[] = {{"threads", required_argument, NULL, 't'},
                                         {"backend", required_argument, NULL, 'b'},
                                         {"parent", required_argument, NULL, 'p'},
                                         {0}};
    int c;
    int64_t threads = 1;
    while ((c = getopt_long(argc, argv, "", LONG, NULL)) != -1) {
        if (c == 't' && text_parse_i64(optarg, 1, 1024, &threads)) continue;
        if (c == 'p' && text_parse_i64(optarg, 1, INT32_MAX, &s->parent)) continue;
        if (c != 'b') return false;
        s->options.backend = optarg;
    }
    s->options.threads = (int)threads;
    return optind == argc;
}

/* E1: the child dies with its worker, also when that is killed between fork and this line. */
static bool die_with_parent(int64_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    return parent == 0 || getppid() == (pid_t)parent;
}

/* E3: when the machine itself runs out, the kernel shall take the engine, not its worker. Whoever
 * may not say so renders all the same. */
static void die_first(void)
{
    FILE *file = fopen("/proc/self/oom_score_adj", "we");
    if (!file) return;
    (void)fputs("1000\n", file);
    (void)fclose(file);
}

static bool say_hello(struct serve *s, struct error *err)
{
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
    if (!engine_fingerprint_of(&s->options, fingerprint, err)) return false;
    return pipe_write(STDOUT_FILENO, "hello",
                      json_pack("{ssss}", "fingerprint", fingerprint, "backend",
                                s->options.backend ? s->options.backend : "cpu"),
                      err);
}

int engine_serve_main(int argc, char **argv)
{
    struct error err = {0};
    pthread_t listener;
    struct serve s = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    if (!parse_options(&s, argc, argv)) {
        fputs("usage: zoe-engine serve [--threads N] [--backend NAME] [--parent PID]\n", stderr);
        return error_exit_code(ERROR_USAGE);
    }
    if (!die_with_parent(s.parent) || !say_hello(&s, &err)) {
        log_error("%s", err.code ? err.message : "the worker is gone");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    die_first();
    if (pthread_create(&listener, NULL, hear, &s) != 0) return 1;
    for (;;) {
        json_t *request = next_request(&s);
        handle_request(&s, request);
        json_decref(request);
    }
}

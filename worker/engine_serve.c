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
#include "base/text.h"
#include "base/xalloc.h"
#include "engine/engine.h"
#include "worker/engine_render.h"
#include "worker/pipe.h"

struct serve {
    struct engine_options options;
    struct engine_model *model; /* rendering thread */
    char *model_key;            /* folder, signature and LoRAs */
    int64_t parent;             /* process id of the worker; 0 = not told */

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t changed;
    json_t *request;        /* waiting to be rendered */
    struct engine_job *job; /* being rendered */
    json_t *save;           /* the last checkpoint message */
    char *canceled;         /* attempt that must stop; may name one that has not begun */
};

/* ---- models ---- */

static char *key_of(const char *folder, const char *signature, const json_t *loras)
{
    char *text = loras ? json_canonical(loras) : xstrdup("");
    char *key = xasprintf("%s\n%s\n%s", folder, signature, text);
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

/* A model that is open belongs to its LoRAs and their strengths, and to the files that it was
 * opened from: others may stand in their place by now. */
static struct engine_model *ensure_model(void *context, struct render *r, const char *folder,
                                         const char *signature, const json_t *loras,
                                         struct error *err)
{
    struct serve *s = context;
    char *key = key_of(folder, signature, loras);
    if (s->model && strcmp(s->model_key, key) == 0) {
        free(key);
        return s->model;
    }
    render_speak(r, "loading", json_object());
    engine_close(s->model);
    free(s->model_key);
    s->model_key = key;
    s->options.loras = loras;
    s->model = engine_open(folder, &s->options, err);
    s->options.loras = NULL; /* the request's */
    if (s->model) warn_of_strangers(engine_lora_report(s->model));
    return s->model;
}

/* ---- what both threads see ---- */

/* A cancel that came before is obeyed. */
static void publish_job(void *context, const char *attempt, struct engine_job *job)
{
    struct serve *s = context;
    pthread_mutex_lock(&s->lock);
    s->job = job;
    if (job && s->canceled && strcmp(s->canceled, attempt) == 0) engine_job_cancel(job);
    pthread_mutex_unlock(&s->lock);
}

/* One that was asked for when another attempt ran is forgotten. */
static char *take_save(void *context, const char *attempt)
{
    struct serve *s = context;
    const char *path = NULL;
    pthread_mutex_lock(&s->lock);
    json_t *asked = s->save;
    s->save = NULL;
    pthread_mutex_unlock(&s->lock);
    const char *name = json_string_value(json_object_get(asked, "attempt"));
    if (name && strcmp(name, attempt) == 0)
        path = json_string_value(json_object_get(asked, "path"));
    char *copy = path ? xstrdup(path) : NULL;
    json_decref(asked);
    return copy;
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
    } else if (strcmp(pipe_type(message), "checkpoint") == 0) {
        done = s->save;
        s->save = message;
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

/* Between two attempts, for who wants to know whether slots are kept busy. */
static void say_idle(int64_t idle_ns)
{
    json_t *fields = json_pack("{sI}", "us", (json_int_t)(idle_ns / 1000));
    if (!pipe_write(STDOUT_FILENO, "idle", fields, NULL)) _exit(1);
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
    const struct render_host host = {&s, ensure_model, publish_job, take_save};
    for (int64_t free_ns = 0;; free_ns = clock_now_ns()) {
        json_t *request = next_request(&s);
        if (free_ns != 0) say_idle(clock_now_ns() - free_ns);
        render_run(&host, request);
        json_decref(request);
    }
}

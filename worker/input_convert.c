#include "worker/input_convert.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define ANSWER_BYTES_MAX (64 * 1024)
#define LOOK_MS 1000
#define LOOKS_MAX 600 /* ten minutes */
#define WORDS_MAX 20
#define HANDLES 3

struct input_convert {
    struct input_convert_options options; /* its texts are ours */
    char *part;
    uv_process_t process;
    uv_pipe_t out;
    uv_timer_t timer;
    struct buf answer;
    int looks;
    bool exited, ended; /* its process; its stdout */
    bool canceled;
    int64_t status;
    int signal;
    int open_handles;
};

static void free_convert(struct input_convert *c)
{
    free((void *)(uintptr_t)c->options.program);
    free((void *)(uintptr_t)c->options.source);
    free((void *)(uintptr_t)c->options.out);
    free(c->part);
    buf_finish(&c->answer);
    free(c);
}

/* ---- the end ---- */

/* What it says of the file; all else it says of this machine. */
static bool is_verdict(const char *code)
{
    return strcmp(code, "rejected") == 0 || strcmp(code, "refused") == 0 ||
           strcmp(code, "usage") == 0;
}

static bool read_report(const json_t *report, struct error *err)
{
    const char *code = json_string_value(json_object_get(report, "code"));
    const char *message = json_string_value(json_object_get(report, "message"));
    if (json_is_true(json_object_get(report, "ok"))) return true;
    if (!code) return error_set(err, ERROR_FAILED, "zoe-media failed");
    return error_set(err, is_verdict(code) ? ERROR_INVALID : error_code_from_name(code), "%s",
                     message ? message : "zoe-media failed");
}

/* An answer counts only from a process that ended by itself. */
static bool read_answer(const struct input_convert *c, struct error *err)
{
    json_t *report = NULL;
    if (c->looks >= LOOKS_MAX) return error_set(err, ERROR_FAILED, "zoe-media took too long");
    if (c->signal != 0)
        return error_set(err, ERROR_FAILED, "zoe-media was ended by signal %d", c->signal);
    report = json_parse(buf_text(&c->answer), c->answer.size, "zoe-media", NULL);
    if (report == NULL) return error_set(err, ERROR_FAILED, "zoe-media ended without an answer");
    const bool ok = read_report(report, err);
    json_decref(report);
    return ok;
}

static void conclude(struct input_convert *c)
{
    struct error err = {0};
    bool ok = read_answer(c, &err) && path_rename_durable(c->part, c->options.out, &err);
    if (!ok) (void)unlink(c->part);
    c->options.done(c->options.context, ok ? NULL : &err);
}

static void on_closed(uv_handle_t *handle)
{
    struct input_convert *c = handle->data;
    if (--c->open_handles > 0) return;
    if (c->canceled)
        (void)unlink(c->part);
    else
        conclude(c);
    free_convert(c);
}

static void close_handles(struct input_convert *c)
{
    if (!c->exited || !c->ended) return;
    uv_close((uv_handle_t *)&c->process, on_closed);
    uv_close((uv_handle_t *)&c->out, on_closed);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}

/* ---- while it runs ---- */

static void on_exit_status(uv_process_t *process, int64_t status, int signal_number)
{
    struct input_convert *c = process->data;
    c->exited = true;
    c->status = status;
    c->signal = signal_number;
    close_handles(c);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct input_convert *c = handle->data;
    (void)suggested;
    buf_reserve(&c->answer, 4096);
    *out = uv_buf_init((char *)c->answer.data + c->answer.size, 4096);
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *bytes)
{
    struct input_convert *c = stream->data;
    (void)bytes;
    if (count > 0 && c->answer.size < ANSWER_BYTES_MAX) c->answer.size += (size_t)count;
    if (count >= 0) return;
    (void)uv_read_stop(stream);
    c->ended = true;
    close_handles(c);
}

static void kill_child(struct input_convert *c)
{
    if (!c->exited) (void)uv_process_kill(&c->process, SIGKILL);
}

static void on_timer(uv_timer_t *timer)
{
    struct input_convert *c = timer->data;
    struct stat info;
    if (!c->canceled && stat(c->part, &info) == 0)
        c->options.progress(c->options.context, (uint64_t)info.st_size);
    if (++c->looks == LOOKS_MAX) kill_child(c);
}

void input_convert_cancel(struct input_convert *c)
{
    c->canceled = true;
    kill_child(c);
}

/* ---- the beginning ---- */

static int spawn(struct input_convert *c, uv_loop_t *loop)
{
    const struct input_convert_options *o = &c->options;
    const struct input_shape *shape = &o->shape;
    char size[48], first[24], frames[24], fps[24], parent[24];
    const char *const words[WORDS_MAX] = {"zoe-media",
                                          "--parent",
                                          parent,
                                          "frames",
                                          "--size",
                                          size,
                                          "--first",
                                          first,
                                          "--frames",
                                          frames,
                                          "--fps",
                                          fps,
                                          "--out",
                                          c->part,
                                          shape->gray ? "--gray" : "--",
                                          shape->gray ? "--" : o->source,
                                          shape->gray ? o->source : NULL};
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    snprintf(size, sizeof size, "%" PRId64 "x%" PRId64, shape->width, shape->height);
    snprintf(first, sizeof first, "%" PRId64, shape->first);
    snprintf(frames, sizeof frames, "%" PRId64, shape->frames);
    snprintf(fps, sizeof fps, "%" PRId64, shape->fps);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->out},
        {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {.file = o->program,
                                    .args = (char **)(uintptr_t)words,
                                    .exit_cb = on_exit_status,
                                    .flags = UV_PROCESS_DETACHED, /* Ctrl-C is for the worker */
                                    .stdio = stdio,
                                    .stdio_count = 3};
    return uv_spawn(loop, &c->process, &options);
}

static struct input_convert *copy_options(const struct input_convert_options *options)
{
    struct input_convert *c = xcalloc(1, sizeof *c);
    c->options = *options;
    c->options.program = xstrdup(options->program);
    c->options.source = xstrdup(options->source);
    c->options.out = xstrdup(options->out);
    c->part = xasprintf("%s.part", options->out);
    return c;
}

struct input_convert *
input_convert_start(uv_loop_t *loop, const struct input_convert_options *options, struct error *err)
{
    struct input_convert *c = copy_options(options);
    c->process.data = c->out.data = c->timer.data = c;
    c->open_handles = HANDLES;
    ZOE_ASSERT(uv_pipe_init(loop, &c->out, 0) == 0);
    ZOE_ASSERT(uv_timer_init(loop, &c->timer) == 0);
    int rc = spawn(c, loop);
    if (rc != 0) {
        error_set(err, ERROR_IO, "cannot start %s: %s", options->program, uv_strerror(rc));
        c->exited = c->ended = c->canceled = true;
        close_handles(c);
        return NULL;
    }
    (void)uv_read_start((uv_stream_t *)&c->out, give_room, on_bytes);
    (void)uv_timer_start(&c->timer, on_timer, LOOK_MS, LOOK_MS);
    return c;
}

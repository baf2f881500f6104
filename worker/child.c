/* The process is over when libuv said so and both of its pipes ended: only then is nothing of what
 * it said still on the way. */
#include "worker/child.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "worker/pipe.h"

#define READ_BYTES (64 * 1024)
#define OPEN_ENDS 3 /* process, stdout, stderr */

struct child {
    struct child_options options;
    uv_process_t process;
    uv_pipe_t in;
    uv_pipe_t out;
    uv_pipe_t log_pipe;
    struct buf heard;
    struct buf log; /* at most twice CHILD_LOG_BYTES */
    struct buf line;
    bool exited; /* its process id may be another's by now */
    int ends;    /* how many of the three are over */
    int handles;
    char how[96];
    char read_buffer[READ_BYTES];
};

/* ---- the end ---- */

static void free_child(struct child *c)
{
    buf_finish(&c->heard);
    buf_finish(&c->log);
    buf_finish(&c->line);
    free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct child *c = handle->data;
    if (--c->handles > 0) return;
    if (c->options.on_exit) c->options.on_exit(c->options.context, c->how);
    free_child(c);
}

static void close_handles(struct child *c)
{
    uv_close((uv_handle_t *)&c->process, on_handle_closed);
    uv_close((uv_handle_t *)&c->in, on_handle_closed);
    uv_close((uv_handle_t *)&c->out, on_handle_closed);
    uv_close((uv_handle_t *)&c->log_pipe, on_handle_closed);
}

static void one_end(struct child *c)
{
    if (++c->ends == OPEN_ENDS) close_handles(c);
}

static void on_process_exit(uv_process_t *process, int64_t code, int signal_number)
{
    struct child *c = process->data;
    c->exited = true;
    if (signal_number != 0)
        snprintf(c->how, sizeof c->how, "was killed by signal %d (%s)", signal_number,
                 strsignal(signal_number));
    else
        snprintf(c->how, sizeof c->how, "exited with code %d", (int)code);
    one_end(c);
}

/* ---- what it says ---- */

static void on_alloc(uv_handle_t *handle, size_t wanted, uv_buf_t *out)
{
    struct child *c = handle->data;
    (void)wanted;
    *out = uv_buf_init(c->read_buffer, sizeof c->read_buffer);
}

static void break_off(struct child *c, const struct error *err)
{
    log_error("slot %d: %s", c->options.number, err->message);
    buf_clear(&c->heard);
    (void)uv_read_stop((uv_stream_t *)&c->out);
    child_kill(c);
    one_end(c);
}

static void hear(struct child *c)
{
    struct error err = {0};
    json_t *message;
    while (pipe_take(&c->heard, &message, &err)) {
        if (!message) return;
        c->options.on_message(c->options.context, message);
        json_decref(message);
    }
    break_off(c, &err);
}

static void on_out(uv_stream_t *stream, ssize_t size, const uv_buf_t *data)
{
    struct child *c = stream->data;
    if (size > 0) {
        buf_append(&c->heard, data->base, (size_t)size);
        hear(c);
    } else if (size < 0) {
        (void)uv_read_stop(stream);
        one_end(c);
    }
}

/* ---- its log ---- */

static void forward_lines(struct child *c, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\n' && c->line.size < 1000) {
            buf_append_char(&c->line, text[i]);
            continue;
        }
        log_debug("engine %d: %s", c->options.number, buf_text(&c->line));
        buf_clear(&c->line);
    }
}

static void take_log(struct child *c, const char *text, size_t size)
{
    buf_append(&c->log, text, size);
    if (c->log.size > 2 * CHILD_LOG_BYTES) buf_drop_front(&c->log, c->log.size - CHILD_LOG_BYTES);
    forward_lines(c, text, size);
}

static void on_log(uv_stream_t *stream, ssize_t size, const uv_buf_t *data)
{
    struct child *c = stream->data;
    if (size > 0) {
        take_log(c, data->base, (size_t)size);
    } else if (size < 0) {
        (void)uv_read_stop(stream);
        one_end(c);
    }
}

/* What it wrote before its last message may still stand in the pipe: that message came first here,
 * because the loop reads the pipes in any order. */
static void take_rest(struct child *c)
{
    uv_os_fd_t fd;
    char text[4096];
    ssize_t size = 0;
    if (uv_is_closing((uv_handle_t *)&c->log_pipe)) return;
    if (uv_fileno((uv_handle_t *)&c->log_pipe, &fd) != 0) return;
    for (int i = 0; i < 2 * CHILD_LOG_BYTES / (int)sizeof(text); i++) {
        size = read(fd, text, sizeof(text)); /* libuv made it non-blocking */
        if (size <= 0) return;
        take_log(c, text, (size_t)size);
    }
}

char *child_log(struct child *c, size_t limit_bytes)
{
    take_rest(c);
    return codec_clean_text(buf_text(&c->log), c->log.size, limit_bytes, true);
}

void child_log_clear(struct child *c)
{
    buf_clear(&c->log);
}

/* ---- what it is told ---- */

struct request {
    uv_write_t write;
    struct buf data;
};

static void on_written(uv_write_t *write, int status)
{
    struct request *r = (struct request *)write->data;
    (void)status; /* a broken pipe means that the process ends: told by its exit */
    buf_finish(&r->data);
    free(r);
}

void child_send(struct child *c, const char *type, json_t *fields)
{
    struct request *r = xcalloc(1, sizeof *r);
    pipe_frame(&r->data, type, fields);
    r->write.data = r;
    uv_buf_t data = uv_buf_init((char *)r->data.data, (unsigned)r->data.size);
    if (uv_write(&r->write, (uv_stream_t *)&c->in, &data, 1, on_written) != 0)
        on_written(&r->write, -1);
}

void child_kill(struct child *c)
{
    if (!c->exited) (void)uv_process_kill(&c->process, SIGKILL);
}

int child_pid(const struct child *c)
{
    return c->exited ? 0 : uv_process_get_pid(&c->process);
}

/* ---- the beginning ---- */

static int spawn(struct child *c, uv_loop_t *loop)
{
    char threads[16], parent[16];
    snprintf(threads, sizeof threads, "%d", c->options.threads);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    char *program = xstrdup(c->options.program);
    char *arguments[] = {program, (char[]){"serve"},    (char[]){"--threads"},
                         threads, (char[]){"--parent"}, parent,
                         NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&c->in},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->out},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&c->log_pipe}};
    uv_process_options_t options = {.file = program,
                                    .args = arguments,
                                    .exit_cb = on_process_exit,
                                    .flags = UV_PROCESS_DETACHED, /* Ctrl-C is for the worker */
                                    .stdio = stdio,
                                    .stdio_count = 3};
    int rc = uv_spawn(loop, &c->process, &options);
    free(program);
    return rc;
}

static void init_pipes(struct child *c, uv_loop_t *loop)
{
    ZOE_ASSERT(uv_pipe_init(loop, &c->in, 0) == 0);
    ZOE_ASSERT(uv_pipe_init(loop, &c->out, 0) == 0);
    ZOE_ASSERT(uv_pipe_init(loop, &c->log_pipe, 0) == 0);
    c->process.data = c->in.data = c->out.data = c->log_pipe.data = c;
    c->handles = 4;
}

struct child *child_start(uv_loop_t *loop, const struct child_options *options, struct error *err)
{
    struct child *c = xcalloc(1, sizeof *c);
    c->options = *options;
    init_pipes(c, loop);
    int rc = spawn(c, loop);
    if (rc != 0) {
        error_set(err, ERROR_IO, "cannot start %s: %s", options->program, uv_strerror(rc));
        c->options.on_exit = NULL;
        close_handles(c);
        return NULL;
    }
    (void)uv_read_start((uv_stream_t *)&c->out, on_alloc, on_out);
    (void)uv_read_start((uv_stream_t *)&c->log_pipe, on_alloc, on_log);
    return c;
}

/* media_child: see the header. A run is queued, running, or dying; it is freed when its process,
 * its pipe and its timer are closed. */
#include "coordinator/media_child.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/media_child_run.h"

#define ANSWER_BYTES_MAX (64 * 1024)

struct media_run {
    struct media_children *children;
    struct media_run *next; /* in its queue */
    enum media_kind kind;
    media_done done; /* NULL: canceled */
    void *context;
    char **arguments; /* NULL-terminated, owned */
    char *files[MEDIA_RUN_FILES];
    int file_count;
    int64_t limit_ms;
    struct buf answer;
    uv_process_t process;
    uv_pipe_t out;
    uv_timer_t limit;
    int open_handles;
    bool running;
    bool has_process;   /* its handle is in the loop, even if nothing was started */
    bool exited, ended; /* its process; its stdout */
    bool over_limit;
    int64_t status;
    int signal;
    int spawn_error; /* set beforehand: it cannot be tried at all */
};

struct media_children {
    uv_loop_t *loop;
    char *program;
    int at_once;
    int64_t limit_ms;
    struct queue {
        struct media_run *first, *last;
    } waiting[MEDIA_KINDS];
    struct media_run **active; /* at_once places */
    int running;
    int files; /* of those that run */
    bool file_was_last;
    bool destroyed;
};

/* ---- ends ---- */

static void drop_files(struct media_run *r)
{
    while (r->file_count > 0) {
        char *path = r->files[--r->file_count];
        (void)unlink(path);
        free(path);
    }
}

static void free_run(struct media_run *r)
{
    drop_files(r);
    for (char **a = r->arguments; *a != NULL; a++)
        free(*a);
    free(r->arguments);
    buf_finish(&r->answer);
    free(r);
}

static void free_children(struct media_children *c)
{
    if (!c->destroyed || c->running > 0) return;
    free(c->active);
    free(c->program);
    free(c);
}

static const struct {
    const char *code;
    enum media_outcome outcome;
} outcomes[] = {{"rejected", MEDIA_REJECTED}, {"full", MEDIA_FULL}};

static enum media_outcome outcome_of(const json_t *report)
{
    if (json_is_true(json_object_get(report, "ok"))) return MEDIA_OK;
    const char *code = json_string_value(json_object_get(report, "code"));
    for (size_t i = 0; code != NULL && i < sizeof outcomes / sizeof outcomes[0]; i++)
        if (strcmp(code, outcomes[i].code) == 0) return outcomes[i].outcome;
    return MEDIA_FAILED;
}

bool media_report_has_frames(const json_t *report, const struct digest *wanted)
{
    struct digest seen;
    const char *hex = json_string_value(json_object_get(report, "frames_sha256"));
    if (digest_is_zero(wanted)) return true;
    return hex != NULL && digest_parse(hex, &seen) && digest_equal(&seen, wanted);
}

/* What never ran is nobody's fault but this machine's. */
static void describe_death(const struct media_run *r, struct media_result *result)
{
    result->outcome = r->spawn_error ? MEDIA_FULL : MEDIA_DIED;
    if (r->spawn_error)
        snprintf(result->message, sizeof result->message, "zoe-media could not be started: %s",
                 uv_strerror(r->spawn_error));
    else if (r->over_limit)
        snprintf(result->message, sizeof result->message, "zoe-media took too long");
    else if (r->signal)
        snprintf(result->message, sizeof result->message, "zoe-media was ended by signal %d",
                 r->signal);
    else
        snprintf(result->message, sizeof result->message,
                 "zoe-media ended with status %" PRId64 " and no answer", r->status);
}

/* An answer counts only from a process that ended by itself. */
static void report_run(struct media_run *r)
{
    struct media_result result = {0};
    json_t *report = NULL;
    if (!r->spawn_error && !r->over_limit && r->signal == 0)
        report = json_parse(buf_text(&r->answer), r->answer.size, "zoe-media", NULL);
    if (json_is_object(report)) {
        const char *message = json_string_value(json_object_get(report, "message"));
        result.outcome = outcome_of(report);
        result.report = report;
        snprintf(result.message, sizeof result.message, "%s", message ? message : "");
    } else {
        describe_death(r, &result);
    }
    if (r->done != NULL) r->done(r->context, &result);
    json_decref(report);
}

static void start_waiting(struct media_children *c);

static void on_handle_closed(uv_handle_t *handle)
{
    struct media_run *r = handle->data;
    struct media_children *c = r->children;
    if (--r->open_handles > 0) return;
    for (int i = 0; i < c->at_once; i++)
        if (c->active[i] == r) c->active[i] = NULL;
    c->running--;
    c->files -= r->kind == MEDIA_FILE;
    if (!c->destroyed) report_run(r);
    free_run(r);
    if (c->destroyed)
        free_children(c);
    else
        start_waiting(c);
}

static void close_run(struct media_run *r)
{
    if (!r->exited || !r->ended) return;
    uv_close((uv_handle_t *)&r->out, on_handle_closed);
    uv_close((uv_handle_t *)&r->limit, on_handle_closed);
    if (r->has_process) uv_close((uv_handle_t *)&r->process, on_handle_closed);
}

/* ---- running ---- */

static void on_exit_status(uv_process_t *process, int64_t status, int signal)
{
    struct media_run *r = process->data;
    r->exited = true;
    r->status = status;
    r->signal = signal;
    close_run(r);
}

static void on_limit(uv_timer_t *timer)
{
    struct media_run *r = timer->data;
    r->over_limit = true;
    if (!r->exited) uv_process_kill(&r->process, SIGKILL);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct media_run *r = handle->data;
    (void)suggested;
    buf_reserve(&r->answer, 4096);
    *out = uv_buf_init((char *)r->answer.data + r->answer.size, 4096);
}

static void on_bytes(uv_stream_t *stream, ssize_t count, const uv_buf_t *bytes)
{
    struct media_run *r = stream->data;
    (void)bytes;
    if (count > 0 && r->answer.size < ANSWER_BYTES_MAX) r->answer.size += (size_t)count;
    if (count >= 0) return;
    uv_read_stop(stream);
    r->ended = true;
    close_run(r);
}

static int spawn(struct media_run *r)
{
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&r->out},
        {.flags = UV_INHERIT_FD, .data.fd = 2}};
    uv_process_options_t options = {.file = r->children->program,
                                    .args = r->arguments,
                                    .exit_cb = on_exit_status,
                                    .stdio = stdio,
                                    .stdio_count = 3};
    return uv_spawn(r->children->loop, &r->process, &options);
}

static void start_run(struct media_run *r)
{
    struct media_children *c = r->children;
    for (int i = 0; i < c->at_once; i++) {
        if (c->active[i] != NULL) continue;
        c->active[i] = r;
        break;
    }
    c->running++;
    c->files += r->kind == MEDIA_FILE;
    if (r->kind != MEDIA_VIDEO) c->file_was_last = r->kind == MEDIA_FILE;
    r->running = true;
    r->process.data = r->out.data = r->limit.data = r;
    uv_pipe_init(c->loop, &r->out, 0);
    uv_timer_init(c->loop, &r->limit);
    r->open_handles = 2;
    if (r->spawn_error == 0) {
        r->spawn_error = spawn(r);
        r->has_process = true;
        r->open_handles++;
    }
    if (r->spawn_error) {
        r->exited = r->ended = true;
        close_run(r);
        return;
    }
    uv_timer_start(&r->limit, on_limit, (uint64_t)r->limit_ms, 0);
    uv_read_start((uv_stream_t *)&r->out, give_room, on_bytes);
}

static void append(struct queue *q, struct media_run *r)
{
    if (q->last != NULL)
        q->last->next = r;
    else
        q->first = r;
    q->last = r;
}

static struct media_run *take_first(struct queue *q)
{
    struct media_run *r = q->first;
    if (r == NULL) return NULL;
    q->first = r->next;
    if (q->first == NULL) q->last = NULL;
    return r;
}

static void take_out(struct queue *q, const struct media_run *r)
{
    struct media_run **at = &q->first;
    struct media_run *before = NULL;
    while (*at != r) {
        before = *at;
        at = &(*at)->next;
    }
    *at = r->next;
    if (q->last == r) q->last = before;
}

/* One child is never had by files: a result that comes while they are looked at would wait until
 * they end. */
static struct media_run *take_file(struct media_children *c)
{
    if (c->files > 0 && c->files >= c->at_once - 1) return NULL;
    return take_first(&c->waiting[MEDIA_FILE]);
}

static struct media_run *take_next(struct media_children *c)
{
    struct media_run *r = take_first(&c->waiting[MEDIA_VIDEO]);
    if (r == NULL && !c->file_was_last) r = take_file(c);
    if (r == NULL) r = take_first(&c->waiting[MEDIA_RESULT]);
    if (r == NULL) r = take_file(c);
    return r;
}

static void start_waiting(struct media_children *c)
{
    while (c->running < c->at_once) {
        struct media_run *r = take_next(c);
        if (r == NULL) return;
        start_run(r);
    }
}

struct media_run *media_run_add(struct media_children *c, enum media_kind kind, char **arguments,
                                media_done done, void *context)
{
    struct media_run *r = xcalloc(1, sizeof *r);
    r->children = c;
    r->arguments = arguments;
    r->done = done;
    r->context = context;
    r->limit_ms = c->limit_ms;
    r->kind = kind;
    append(&c->waiting[kind], r);
    return r;
}

/* It is read once: no need to make it durable. */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return uv_translate_sys_error(errno);
    bool ok = path_write_fd(fd, text, strlen(text), path, NULL);
    int reason = ok ? 0 : uv_translate_sys_error(errno);
    (void)close(fd);
    return reason;
}

void media_run_file(struct media_run *r, const char *path, const char *text)
{
    const int refused = write_file(path, text);
    ZOE_ASSERT(r->file_count < MEDIA_RUN_FILES);
    r->files[r->file_count++] = xstrdup(path);
    if (refused != 0) r->spawn_error = refused;
}

void media_run_more_time(struct media_run *r, int64_t more_ms)
{
    r->limit_ms += more_ms;
}

void media_run_ready(struct media_run *r)
{
    start_waiting(r->children);
}

void media_run_cancel(struct media_run *run)
{
    run->done = NULL;
    drop_files(run); /* now: another run may make the same video before this one is closed */
    if (run->running) {
        if (!run->exited) uv_process_kill(&run->process, SIGKILL);
        return;
    }
    take_out(&run->children->waiting[run->kind], run);
    free_run(run);
}

/* ---- life ---- */

struct media_children *media_children_create(uv_loop_t *loop, const char *program, int at_once,
                                             int64_t limit_ms)
{
    struct media_children *c = xcalloc(1, sizeof *c);
    c->loop = loop;
    c->program = xstrdup(program);
    c->at_once = at_once;
    c->limit_ms = limit_ms;
    c->active = xcalloc((size_t)at_once, sizeof(struct media_run *));
    return c;
}

void media_children_destroy(struct media_children *c)
{
    if (c == NULL) return;
    c->destroyed = true;
    for (int i = 0; i < MEDIA_KINDS; i++) {
        while (c->waiting[i].first != NULL)
            media_run_cancel(c->waiting[i].first);
    }
    for (int i = 0; i < c->at_once; i++)
        if (c->active[i] != NULL) media_run_cancel(c->active[i]);
    free_children(c);
}

int media_children_running(const struct media_children *c)
{
    return c->running;
}

int media_children_waiting(const struct media_children *c)
{
    int count = 0;
    for (int i = 0; i < MEDIA_KINDS; i++) {
        for (const struct media_run *r = c->waiting[i].first; r != NULL; r = r->next)
            count++;
    }
    return count;
}

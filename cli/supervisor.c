/* One loop over a signalfd, the coordinator's first line and the restart times. */
#include "cli/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "cli/client.h"
#include "cli/embedded.h"
#include "proto/keys.h"

#define IDLE_SECONDS "600"
#define WORKER_LEAVE_SECONDS "60"
#define STOP_LIMIT_NS (20 * NS_PER_S)

static const int64_t RESTART_NS[] = {0, 1 * NS_PER_S, 5 * NS_PER_S, 30 * NS_PER_S};
#define RESTART_STEPS ((int)(sizeof RESTART_NS / sizeof *RESTART_NS))
#define HEALTHY_NS (60 * NS_PER_S) /* a child that lived so long starts the delays anew */

struct child {
    pid_t pid; /* 0 = not running */
    int failures;
    int64_t started_ns;
    int64_t start_at_ns; /* when to start it; 0 = not wanted */
};

struct supervisor {
    const struct supervisor_options *options;
    char *bin;
    char *coordinator_folder;
    struct child coordinator;
    struct child workers[SUPERVISOR_WORKERS_MAX];
    int worker_count;
    struct embedded where; /* filled by the coordinator's first line */
    int line_fd;           /* its stdout until that line came; -1 afterwards */
    struct buf line;
    bool known; /* `where` is valid */
    bool tries; /* its coordinator was asked to end, to be started once more */
    bool stopping;
    int ready_fd;
};

static void say(struct supervisor *s, const char *words)
{
    if (s->ready_fd < 0) return;
    if (write(s->ready_fd, words, strlen(words)) < 0) log_warn("the starter is gone");
    close(s->ready_fd);
    s->ready_fd = -1;
}

/* ---- children ---- */

/* In a child of `parent`. */
_Noreturn static void become(const char *bin, const char *program, char *const arguments[],
                             int stdout_fd, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(127); /* the supervisor went before the line above */
    if (stdout_fd >= 0) dup2(stdout_fd, 1);
    char *path = path_join(bin, program);
    execv(path, arguments);
    fprintf(stderr, "cannot run %s: %s\n", path, strerror(errno));
    _exit(127);
}

static void schedule_restart(struct child *c)
{
    if (clock_now_ns() - c->started_ns > HEALTHY_NS) c->failures = 0;
    int step = c->failures < RESTART_STEPS ? c->failures : RESTART_STEPS - 1;
    c->failures++;
    c->start_at_ns = clock_now_ns() + RESTART_NS[step];
    c->pid = 0;
}

/* Never keeps a pid that is none: a signal to -1 is for everybody. */
static void mark_started(struct child *c, pid_t pid)
{
    c->started_ns = clock_now_ns();
    if (pid > 0) {
        c->pid = pid;
        c->start_at_ns = 0;
        return;
    }
    log_error("cannot start a process: %s", strerror(errno));
    schedule_restart(c);
}

/* Both ends are closed in other children. */
static bool open_pipe(int ends[2])
{
    if (pipe(ends) != 0) return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    return true;
}

static void start_coordinator(struct supervisor *s)
{
    int ends[2];
    if (!open_pipe(ends)) return;
    const char *workers = s->known ? s->where.workers_url : "tcp://127.0.0.1:*";
    const char *clients = s->known ? s->where.clients_url : "tcp://127.0.0.1:*";
    char *const arguments[] = {"zoe-coordinator",
                               "--state",
                               s->coordinator_folder,
                               "--listen-workers",
                               xstrdup(workers),
                               "--listen-clients",
                               xstrdup(clients),
                               "--json",
                               s->options->leave_when_idle ? "--leave-after-idle" : NULL,
                               IDLE_SECONDS,
                               NULL};
    const pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) become(s->bin, "zoe-coordinator", arguments, ends[1], self);
    mark_started(&s->coordinator, pid);
    free(arguments[4]);
    free(arguments[6]);
    close(ends[1]);
    if (s->line_fd >= 0) close(s->line_fd);
    s->line_fd = ends[0];
    buf_clear(&s->line);
}

static char *worker_folder(const struct supervisor *s, int index)
{
    return xasprintf("%s/workers/%d", s->options->folder, index + 1);
}

/* The farm's models are on this machine: its workers read them where they are, and copy none. */
static void start_worker(struct supervisor *s, int index)
{
    char *folder = worker_folder(s, index), *farms = path_join(s->coordinator_folder, "models");
    char *shipped = xasprintf("%s/../share/zoetrope/models", s->bin);
    char slots_threads[24];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    snprintf(slots_threads, sizeof slots_threads, "%ld",
             cores > s->worker_count ? cores / s->worker_count : 1);
    char *const arguments[] = {"zoe-worker",
                               "--connect",
                               s->where.workers_url,
                               "--server-key",
                               s->where.server_key,
                               "--state",
                               folder,
                               "--threads",
                               slots_threads,
                               "--models",
                               farms,
                               "--models",
                               shipped,
                               "--leave-after",
                               WORKER_LEAVE_SECONDS,
                               NULL};
    const pid_t self = getpid();
    pid_t pid = fork();
    if (pid == 0) become(s->bin, "zoe-worker", arguments, -1, self);
    mark_started(&s->workers[index], pid);
    free(shipped);
    free(farms);
    free(folder);
}

/* ---- the coordinator is up ---- */

static bool write_farm_json(struct supervisor *s, struct error *err)
{
    json_t *pids = json_array();
    for (int i = 0; i < s->worker_count; i++)
        json_array_append_new(pids, json_integer(s->workers[i].pid));
    json_t *object =
        json_pack("{sssisssssssssiso}", "schema", "zoe.farm.v1", "pid", (int)getpid(), "workers",
                  s->where.workers_url, "clients", s->where.clients_url, "public_key",
                  s->where.server_key, "client_key_file", s->where.client_key_file,
                  "coordinator_pid", (int)s->coordinator.pid, "worker_pids", pids);
    char *text = json_pretty(object);
    char *path = path_join(s->options->folder, EMBEDDED_JSON);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err);
    free(path);
    free(text);
    json_decref(object);
    return ok;
}

/* Makes worker i's key and has the coordinator allow it. Known keys are allowed again harmlessly.
 */
static bool allow_worker(struct supervisor *s, struct zclient *client, int index, struct error *err)
{
    char *folder = worker_folder(s, index);
    char *key_file = path_join(folder, "worker.key");
    struct key_pair keys;
    bool ok =
        path_make_folders(folder, 0700, err) && keys_load_or_create(key_file, &keys, NULL, err);
    if (ok) {
        char name[32];
        snprintf(name, sizeof name, "local-%d", index + 1);
        ok = client_allow_key(client, keys.public_key, "worker", name, NULL, err);
        keys_wipe(&keys);
    }
    free(key_file);
    free(folder);
    return ok;
}

static bool allow_workers(struct supervisor *s, struct error *err)
{
    struct target target = {.url = s->where.clients_url,
                            .client_key_file = s->where.client_key_file};
    if (!hex_decode(s->where.server_key, target.server_key, 32))
        return error_set(err, ERROR_INTERNAL, "the coordinator printed a broken key");
    struct zclient *client = client_open(&target, STOP_LIMIT_NS, err);
    bool ok = client != NULL;
    for (int i = 0; ok && i < s->worker_count; i++)
        ok = allow_worker(s, client, i, err);
    zclient_close(client);
    return ok;
}

static void want_workers(struct supervisor *s)
{
    for (int i = 0; i < s->worker_count; i++)
        if (!s->workers[i].pid && !s->workers[i].start_at_ns)
            s->workers[i].start_at_ns = clock_now_ns();
}

static bool parse_line(struct supervisor *s, struct error *err)
{
    json_t *object =
        json_parse(buf_text(&s->line), s->line.size, "the coordinator's first line", err);
    if (!object) return false;
    const char *workers, *clients, *key;
    bool ok = json_get_text(object, "workers", &workers, "first line", err) &&
              json_get_text(object, "clients", &clients, "first line", err) &&
              json_get_text(object, "public_key", &key, "first line", err);
    if (ok) {
        embedded_finish(&s->where);
        s->where = (struct embedded){.workers_url = xstrdup(workers),
                                     .clients_url = xstrdup(clients),
                                     .server_key = xstrdup(key),
                                     .client_key_file =
                                         xasprintf("%s/keys/admin.key", s->coordinator_folder)};
        s->known = true;
    }
    json_decref(object);
    return ok;
}

/* A farm that has worked does not end because one start of its coordinator fails. */
static void try_again(struct supervisor *s, const struct error *why)
{
    log_error("the coordinator is started once more: %s", why->message);
    s->tries = s->coordinator.pid != 0; /* else it has ended, which is seen to */
    if (s->tries) kill(s->coordinator.pid, SIGTERM);
}

static bool coordinator_is_up(struct supervisor *s, struct error *err)
{
    const bool was_up = s->known;
    if (parse_line(s, err) && allow_workers(s, err))
        want_workers(s);
    else if (was_up)
        try_again(s, err);
    else
        return false;
    return true;
}

/* Bytes of the first line. True unless the farm cannot come up. */
static bool read_line(struct supervisor *s, struct error *err)
{
    char chunk[1024];
    ssize_t n = read(s->line_fd, chunk, sizeof chunk);
    if (n > 0) buf_append(&s->line, chunk, (size_t)n);
    bool complete = s->line.size && memchr(s->line.data, '\n', s->line.size);
    if (n > 0 && !complete) return true;
    close(s->line_fd);
    s->line_fd = -1;
    return !complete ||
           coordinator_is_up(s, err); /* without a line it died: the restart sees to it */
}

/* ---- signals and time ---- */

static struct child *child_of(struct supervisor *s, pid_t pid)
{
    if (s->coordinator.pid == pid) return &s->coordinator;
    for (int i = 0; i < s->worker_count; i++)
        if (s->workers[i].pid == pid) return &s->workers[i];
    return NULL;
}

/* A coordinator that never came up tells why by its exit; one that left cleanly was idle. */
static bool coordinator_ended(struct supervisor *s, int status, struct error *err)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0 && !s->tries;
    s->coordinator.pid = 0;
    s->tries = false;
    if (clean) return s->stopping = true;
    if (!s->known)
        return error_set(err, ERROR_UNREACHABLE,
                         "the coordinator does not start; see farm.log in %s", s->options->folder);
    schedule_restart(&s->coordinator);
    return true;
}

static bool reap(struct supervisor *s, struct error *err)
{
    int status;
    pid_t pid;
    bool ok = true;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *c = child_of(s, pid);
        if (!c) continue;
        if (c == &s->coordinator) {
            ok = coordinator_ended(s, status, err) && ok;
        } else if (s->stopping || c - s->workers >= s->worker_count) {
            c->pid = 0;
        } else {
            log_warn("worker %d ended with status %d", (int)(c - s->workers) + 1, status);
            schedule_restart(c);
        }
    }
    return ok;
}

static int read_want(const struct supervisor *s)
{
    char *path = path_join(s->options->folder, SUPERVISOR_WANT);
    struct buf text = BUF_INIT;
    int64_t number = 0;
    if (path_read(path, 64, &text, NULL))
        text_parse_i64(buf_text(&text), 1, SUPERVISOR_WORKERS_MAX, &number);
    buf_finish(&text);
    free(path);
    return (int)number;
}

/* SIGUSR1: another number of workers. All drain (SIGTERM): those over it for good, the others come
 * back with their new share of the cores. */
static void change_workers(struct supervisor *s)
{
    struct error err = {0};
    int want = read_want(s);
    if (want < 1 || want == s->worker_count) return;
    for (int i = 0; i < s->worker_count; i++) {
        if (s->workers[i].pid) kill(s->workers[i].pid, SIGTERM);
    }
    for (int i = want; i < s->worker_count; i++)
        s->workers[i] = (struct child){0};
    s->worker_count = want;
    if (!s->known) return;
    if (!allow_workers(s, &err) || !write_farm_json(s, &err)) log_error("%s", err.message);
    want_workers(s);
}

static bool handle_signal(struct supervisor *s, int signals, struct error *err)
{
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info) return true;
    if (info.ssi_signo == SIGCHLD) return reap(s, err);
    if (info.ssi_signo == SIGUSR1)
        change_workers(s);
    else
        s->stopping = true;
    return true;
}

static int64_t next_start(const struct supervisor *s)
{
    int64_t next = s->coordinator.start_at_ns;
    for (int i = 0; s->known && i < s->worker_count; i++) {
        int64_t at = s->workers[i].start_at_ns;
        if (at && (!next || at < next)) next = at;
    }
    return next;
}

static void start_due(struct supervisor *s)
{
    int64_t now = clock_now_ns();
    bool changed = false;
    if (s->coordinator.start_at_ns && s->coordinator.start_at_ns <= now) start_coordinator(s);
    for (int i = 0; s->known && i < s->worker_count; i++) {
        if (!s->workers[i].start_at_ns || s->workers[i].start_at_ns > now) continue;
        start_worker(s, i);
        changed = true;
    }
    struct error err = {0};
    if (changed && !write_farm_json(s, &err)) log_error("%s", err.message);
    if (changed) say(s, "ready");
}

static int wait_ms(const struct supervisor *s)
{
    int64_t next = next_start(s);
    if (!next) return -1;
    int64_t left = next - clock_now_ns();
    return left <= 0 ? 0 : (int)(left / NS_PER_MS) + 1;
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC);
}

static bool run_until_stopped(struct supervisor *s, int signals, struct error *err)
{
    s->coordinator.start_at_ns = clock_now_ns();
    while (!s->stopping) {
        start_due(s);
        struct pollfd fds[] = {{.fd = signals, .events = POLLIN},
                               {.fd = s->line_fd, .events = POLLIN}};
        if (poll(fds, 2, wait_ms(s)) < 0 && errno != EINTR)
            return error_set_errno(err, errno, "poll");
        if (fds[1].revents && !read_line(s, err)) return false;
        if (fds[0].revents && !handle_signal(s, signals, err)) return false;
    }
    return true;
}

/* Sends `how` to one child and waits for it, at most until the deadline; then SIGKILL. */
static void end_child(struct child *c, int64_t deadline)
{
    while (c->pid) {
        pid_t done = waitpid(c->pid, NULL, WNOHANG);
        if (done == c->pid || (done < 0 && errno == ECHILD)) break;
        if (clock_now_ns() > deadline) kill(c->pid, SIGKILL);
        poll(NULL, 0, 10);
    }
    c->pid = 0;
}

static void stop_children(struct supervisor *s)
{
    int64_t deadline = clock_now_ns() + STOP_LIMIT_NS;
    for (int i = 0; i < s->worker_count; i++)
        if (s->workers[i].pid) kill(s->workers[i].pid, SIGTERM);
    for (int i = 0; i < s->worker_count; i++)
        end_child(&s->workers[i], deadline);
    if (s->coordinator.pid) kill(s->coordinator.pid, SIGTERM);
    end_child(&s->coordinator, deadline);
}

static void forget_where(const struct supervisor *s)
{
    char *path = path_join(s->options->folder, EMBEDDED_JSON);
    unlink(path);
    free(path);
}

static void clean_up(struct supervisor *s)
{
    stop_children(s);
    forget_where(s);
    if (s->line_fd >= 0) close(s->line_fd);
    buf_finish(&s->line);
    embedded_finish(&s->where);
    free(s->bin);
    free(s->coordinator_folder);
}

static int first_count(const struct supervisor *s)
{
    int count = s->options->workers ? s->options->workers : read_want(s);
    return count < 1 ? 1 : count;
}

bool supervisor_run(const struct supervisor_options *options, struct error *err)
{
    struct supervisor s = {.options = options, .line_fd = -1, .ready_fd = options->ready_fd};
    char *lock_path = path_join(options->folder, EMBEDDED_LOCK);
    int lock = path_lock(lock_path, err);
    free(lock_path);
    if (lock < 0) return false;
    forget_where(&s); /* of one that was killed: its process numbers are others' now */
    if (s.ready_fd >= 0) (void)fcntl(s.ready_fd, F_SETFD, FD_CLOEXEC);
    (void)prctl(PR_SET_NAME, "zoe-supervisor");
    log_set_name("supervisor");
    log_set_level(LOG_INFO);
    s.bin = path_own_folder();
    s.coordinator_folder = path_join(options->folder, "coordinator");
    s.worker_count = first_count(&s);
    int signals = open_signals();
    bool ok = run_until_stopped(&s, signals, err);
    if (!ok) say(&s, err->message);
    clean_up(&s);
    close(signals);
    close(lock);
    return ok;
}

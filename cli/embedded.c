/* Finds and starts the embedded farm. The lock decides who runs it; farm.json only tells where. */
#include "cli/embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define START_LIMIT_NS (60 * NS_PER_S)
#define JSON_LIMIT_BYTES (64 * 1024)

char *embedded_folder(const struct call *call, struct error *err)
{
    const char *given = call_option(call, "state");
    return given ? xstrdup(given) : path_user_state("zoetrope", err);
}

/* Whether somebody holds the lock file. */
static bool is_locked(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    free(path);
    if (fd < 0) return false;
    bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

static char *take_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? xstrdup(text) : NULL;
}

static bool read_json(const char *folder, const char *name, struct embedded *out)
{
    char *path = path_join(folder, name);
    json_t *object = json_parse_file(path, JSON_LIMIT_BYTES, NULL);
    free(path);
    if (!object) return false;
    *out =
        (struct embedded){.pid = (pid_t)json_integer_value(json_object_get(object, "pid")),
                          .workers = (int)json_array_size(json_object_get(object, "worker_pids")),
                          .workers_url = take_text(object, "workers"),
                          .clients_url = take_text(object, "clients"),
                          .server_key = take_text(object, "public_key"),
                          .client_key_file = take_text(object, "client_key_file")};
    json_decref(object);
    if (out->pid <= 1) out->workers = 0; /* nobody that could be sent a signal */
    bool whole = out->clients_url && out->server_key && out->client_key_file;
    if (!whole) embedded_finish(out);
    return whole;
}

bool embedded_read(const char *folder, struct embedded *out)
{
    return (is_locked(folder, COORDINATOR_LOCK) && read_json(folder, COORDINATOR_JSON, out)) ||
           (is_locked(folder, EMBEDDED_LOCK) && read_json(folder, EMBEDDED_JSON, out));
}

static bool holds(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    bool there = path_exists(path);
    free(path);
    return there;
}

bool embedded_is_worker(const char *folder)
{
    return holds(folder, WORKER_LOCK) || holds(folder, "worker.key");
}

bool embedded_is_coordinator(const char *folder)
{
    return holds(folder, "farm.db") ||
           (holds(folder, COORDINATOR_LOCK) && !embedded_is_worker(folder));
}

void embedded_finish(struct embedded *e)
{
    free(e->workers_url);
    free(e->clients_url);
    free(e->server_key);
    free(e->client_key_file);
    *e = (struct embedded){0};
}

/* ---- starting ---- */

_Noreturn static void become_supervisor(const char *folder, int workers, bool leave_when_idle,
                                        int ready_fd)
{
    char number[16], fd[16];
    snprintf(number, sizeof number, "%d", workers);
    snprintf(fd, sizeof fd, "%d", ready_fd);
    setsid();
    int null = open("/dev/null", O_RDWR);
    char *log = path_join(folder, "farm.log");
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(null, 0);
    dup2(out >= 0 ? out : null, 1);
    dup2(out >= 0 ? out : null, 2);
    char *const arguments[] = {
        "zoe",       "farm", "supervise",  "--state", xstrdup(folder),
        "--workers", number, "--ready-fd", fd,        leave_when_idle ? "--leave-when-idle" : NULL,
        NULL};
    execv("/proc/self/exe", arguments);
    _exit(127);
}

/* Reads what the supervisor says until it closes the pipe: "ready", or words of failure. */
static bool hear_ready(int fd, struct error *err)
{
    struct buf words = BUF_INIT;
    int64_t deadline = clock_now_ns() + START_LIMIT_NS;
    bool open = true;
    while (open && clock_now_ns() < deadline) {
        char chunk[512];
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, 1000) <= 0) continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n > 0) buf_append(&words, chunk, (size_t)n);
        open = n > 0 || (n < 0 && errno == EINTR);
        if (strncmp(buf_text(&words), "ready", 5) == 0) break;
    }
    bool ready = strncmp(buf_text(&words), "ready", 5) == 0;
    if (!ready && words.size) error_set(err, ERROR_UNREACHABLE, "%s", buf_text(&words));
    if (!ready && !words.size)
        error_set(
            err, ERROR_UNREACHABLE,
            "the farm's supervisor ended or hung while starting; see farm.log in its state folder");
    buf_finish(&words);
    return ready;
}

static bool spawn_supervisor(const char *folder, int workers, bool leave_when_idle,
                             struct error *err)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set_errno(err, errno, "pipe");
    pid_t child = fork();
    if (child < 0) {
        close(ends[0]);
        close(ends[1]);
        return error_set_errno(err, errno, "fork");
    }
    if (child == 0) {
        close(ends[0]);
        if (fork() != 0) _exit(0); /* the grandchild belongs to init, so no zombie waits for us */
        become_supervisor(folder, workers, leave_when_idle, ends[1]);
    }
    close(ends[1]);
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
    }
    bool ok = hear_ready(ends[0], err);
    close(ends[0]);
    return ok;
}

/* Another starter is at it: its farm.json appears, or its lock goes. */
static bool await_other(const char *folder, struct error *err)
{
    int64_t deadline = clock_now_ns() + START_LIMIT_NS;
    while (clock_now_ns() < deadline) {
        struct embedded e;
        if (!is_locked(folder, EMBEDDED_LOCK))
            return error_set(err, ERROR_UNREACHABLE,
                             "the farm in %s ended while it started; see farm.log there", folder);
        if (read_json(folder, EMBEDDED_JSON, &e)) {
            embedded_finish(&e);
            return true;
        }
        poll(NULL, 0, 20);
    }
    return error_set(err, ERROR_UNREACHABLE, "the farm in %s does not come up; see farm.log there",
                     folder);
}

/* Two coordinators would share nothing but the folder: clips of one are unknown to the other. */
static bool refuse_coordinator(const char *folder, struct error *err)
{
    if (is_locked(folder, COORDINATOR_LOCK))
        return error_set(
            err, ERROR_UNREACHABLE,
            "the coordinator of %s is starting or ending, or is of an older build: ask "
            "again in a moment, or name it with --coordinator URL",
            folder);
    return error_set(err, ERROR_UNREACHABLE,
                     "%s is the folder of a coordinator that does not run: start it, "
                     "`zoe-coordinator --state %s ...`",
                     folder, folder);
}

static bool may_hold_farm(const char *folder, struct error *err)
{
    if (embedded_is_coordinator(folder)) return refuse_coordinator(folder, err);
    if (!embedded_is_worker(folder)) return true;
    return error_set(err, ERROR_USAGE,
                     "%s is the folder of a worker, not of a farm: name the coordinator with "
                     "--coordinator URL",
                     folder);
}

bool embedded_start(const char *folder, int workers, bool leave_when_idle, struct error *err)
{
    if (!may_hold_farm(folder, err)) return false;
    if (!path_make_folders(folder, 0700, err)) return false;
    if (chmod(folder, 0700) != 0) return error_set_errno(err, errno, "chmod %s", folder);
    if (is_locked(folder, EMBEDDED_LOCK)) return await_other(folder, err);
    if (spawn_supervisor(folder, workers, leave_when_idle, err)) return true;
    return is_locked(folder, EMBEDDED_LOCK) ? await_other(folder, err) : false;
}

static bool take_target(struct target *target, struct embedded *e, struct error *err)
{
    if (!hex_decode(e->server_key, target->server_key, 32))
        return error_set(err, ERROR_CORRUPT,
                         "the farm's state folder tells a broken key; stop the farm, start it");
    target->url = xstrdup(e->clients_url);
    target->client_key_file = xstrdup(e->client_key_file);
    target->embedded = true;
    return true;
}

static bool find_in(const char *folder, enum target_start start, struct embedded *e,
                    struct error *err)
{
    bool existed = path_is_folder(folder);
    bool may_start = start == TARGET_START_ALWAYS || (start == TARGET_START_IF_FOLDER && existed);
    if (embedded_read(folder, e)) return true;
    if (!may_start && !embedded_is_coordinator(folder))
        return error_set(
            err, ERROR_NOT_FOUND,
            "there is no farm in %s; `zoe farm up` starts one, --coordinator URL names another",
            folder);
    if (!may_hold_farm(folder, err)) return false;
    fprintf(stderr, existed ? "Resuming the farm in %s\n" : "Starting a farm in %s\n", folder);
    return embedded_start(folder, 0, true, err) && embedded_read(folder, e);
}

bool embedded_find(struct target *target, const struct call *call, enum target_start start,
                   struct error *err)
{
    struct embedded e = {0};
    char *folder = embedded_folder(call, err);
    bool ok = folder && find_in(folder, start, &e, err) && take_target(target, &e, err);
    embedded_finish(&e);
    free(folder);
    return ok;
}

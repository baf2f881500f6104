/* zoe farm up|down|status: the farm on this machine. `farm supervise` is what `up` leaves behind.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/commands.h"
#include "cli/embedded.h"
#include "cli/output.h"
#include "cli/supervisor.h"

#define CHANGE_LIMIT_NS (60 * NS_PER_S)

static void print_farm(const struct call *call, const char *folder, const struct embedded *e,
                       const char *words)
{
    if (call->json)
        output_print(json_pack("{sbsssisissssss}", "running", e != NULL, "folder", folder, "pid",
                               e ? (int)e->pid : 0, "workers", e ? e->workers : 0, "coordinator",
                               e ? e->clients_url : "", "workers_url",
                               e && e->workers_url ? e->workers_url : "", "public_key",
                               e ? e->server_key : ""),
                     "zoe.farm.v1");
    else if (e)
        fprintf(stderr, "%s: %d worker%s, coordinator at %s, state in %s\n", words, e->workers,
                e->workers == 1 ? "" : "s", e->clients_url, folder);
    else
        fprintf(stderr, "%s\n", words);
}

/* Asks the running supervisor for another number of workers and waits until farm.json tells that
 * many. */
static bool change_workers(const char *folder, struct embedded *e, int workers, struct error *err)
{
    char *path = path_join(folder, SUPERVISOR_WANT), text[16];
    int length = snprintf(text, sizeof text, "%d", workers);
    bool ok = path_write_atomic(path, text, (size_t)length, 0600, err);
    free(path);
    if (ok && kill(e->pid, SIGUSR1) != 0)
        ok = error_set_errno(err, errno, "cannot reach the supervisor");
    int64_t deadline = clock_now_ns() + CHANGE_LIMIT_NS;
    while (ok && e->workers != workers) {
        embedded_finish(e);
        if (clock_now_ns() > deadline || !embedded_read(folder, e))
            return error_set(err, ERROR_TIMEOUT,
                             "the farm did not change its workers; see farm.log in %s", folder);
        poll(NULL, 0, 20);
    }
    return ok;
}

static bool must_be_supervised(const struct embedded *e, const char *folder, struct error *err)
{
    if (e->workers > 0) return true;
    return error_set(err, ERROR_STATE,
                     "the coordinator of %s (process %d) was not started by `zoe farm up`: SIGTERM "
                     "stops it and each of its workers",
                     folder, (int)e->pid);
}

static int run_up(struct call *call)
{
    struct error err = {0};
    int64_t workers = 0;
    if (!call_number(call, "workers", 1, SUPERVISOR_WORKERS_MAX, &workers, &err))
        return call_fail(call, &err);
    char *folder = embedded_folder(call, &err);
    if (!folder) return call_fail(call, &err);
    struct embedded e = {0};
    bool running = embedded_read(folder, &e);
    bool ok =
        running || (embedded_start(folder, (int)workers, false, &err) && embedded_read(folder, &e));
    if (ok && running && workers && e.workers != workers)
        ok = must_be_supervised(&e, folder, &err) && change_workers(folder, &e, (int)workers, &err);
    if (ok) print_farm(call, folder, &e, running ? "The farm is up" : "Farm started");
    int code = ok ? 0 : call_fail(call, &err);
    embedded_finish(&e);
    free(folder);
    return code;
}

static bool wait_until_gone(pid_t pid, struct error *err)
{
    int64_t deadline = clock_now_ns() + CHANGE_LIMIT_NS;
    while (kill(pid, 0) == 0) {
        if (clock_now_ns() > deadline)
            return error_set(err, ERROR_TIMEOUT, "the supervisor (process %d) does not end",
                             (int)pid);
        poll(NULL, 0, 20);
    }
    return true;
}

static int run_down(struct call *call)
{
    struct error err = {0};
    char *folder = embedded_folder(call, &err);
    if (!folder) return call_fail(call, &err);
    struct embedded e = {0};
    bool running = embedded_read(folder, &e);
    bool ok = !running || must_be_supervised(&e, folder, &err);
    if (ok && running && kill(e.pid, SIGTERM) != 0 && errno != ESRCH)
        ok = error_set_errno(&err, errno, "cannot end the supervisor");
    if (ok && running) ok = wait_until_gone(e.pid, &err);
    if (ok)
        print_farm(call, folder, NULL,
                   running ? "Farm stopped; `zoe farm up` resumes it" : "The farm was not running");
    int code = ok ? 0 : call_fail(call, &err);
    embedded_finish(&e);
    free(folder);
    return code;
}

static int run_status(struct call *call)
{
    struct error err = {0};
    char *folder = embedded_folder(call, &err);
    if (!folder) return call_fail(call, &err);
    struct embedded e = {0};
    bool running = embedded_read(folder, &e);
    print_farm(call, folder, running ? &e : NULL,
               running ? "The farm is up" : "The farm is not running");
    embedded_finish(&e);
    free(folder);
    return running ? 0 : error_exit_code(ERROR_NOT_FOUND);
}

static int run_supervise(struct call *call)
{
    struct error err = {0};
    int64_t workers = 0, fd = -1;
    if (!call_number(call, "workers", 0, SUPERVISOR_WORKERS_MAX, &workers, &err) ||
        !call_number(call, "ready-fd", 0, 1024, &fd, &err))
        return call_fail(call, &err);
    char *folder = embedded_folder(call, &err);
    if (!folder) return call_fail(call, &err);
    struct supervisor_options options = {.folder = folder,
                                         .workers = (int)workers,
                                         .leave_when_idle = call_has(call, "leave-when-idle"),
                                         .ready_fd = (int)fd};
    bool ok = supervisor_run(&options, &err);
    free(folder);
    return ok ? 0 : call_fail(call, &err);
}

static const struct option UP_OPTIONS[] = {
    {"workers", 0, "N", "number of workers (default: as last time, first 1)"}, {0}};
static const struct option SUPERVISE_OPTIONS[] = {
    {"workers", 0, "N", "number of workers"},
    {"ready-fd", 0, "FD", "where to say that it is up"},
    {"leave-when-idle", 0, NULL, "end after ten idle minutes"},
    {0}};

const struct command command_farm_up = {
    "farm",
    "up",
    "",
    0,
    0,
    "start the farm on this machine",
    "One coordinator and N workers under a supervisor, on loopback only, with keys of their own. "
    "On a running farm --workers changes the number.",
    UP_OPTIONS,
    run_up,
    false};
const struct command command_farm_down = {
    "farm", "down", "", 0, 0, "stop the farm on this machine", NULL, NULL, run_down, false};
const struct command command_farm_status = {
    "farm", "status",   "",   0, 0, "whether the farm on this machine runs (exit 3 when not)", NULL,
    NULL,   run_status, false};
const struct command command_farm_supervise = {"farm",
                                               "supervise",
                                               "",
                                               0,
                                               0,
                                               "keep the farm alive (run by `farm up`)",
                                               NULL,
                                               SUPERVISE_OPTIONS,
                                               run_supervise,
                                               true};

#include "coordinator/engine_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/xalloc.h"

extern char **environ;

/* What posix_spawn wants may be written to. */
static char **copy_arguments(const char *const *arguments)
{
    size_t count = 0;
    while (arguments[count] != NULL)
        count++;
    char **copies = xcalloc(count + 1, sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = xstrdup(arguments[i]);
    return copies;
}

static void free_arguments(char **arguments)
{
    for (size_t i = 0; arguments[i] != NULL; i++)
        free(arguments[i]);
    free(arguments);
}

/* Both ends close on exec, or a child of another thread would keep this one's pipe open. */
static pid_t start(const char *engine, const char *const *arguments, int *out_fd, struct error *err)
{
    int ends[2];
    pid_t pid = -1;
    posix_spawn_file_actions_t actions;
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(ends[1], F_SETFD, FD_CLOEXEC) != 0) {
        error_set_errno(err, errno, "pipe");
        return -1;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    char **copies = copy_arguments(arguments);
    const int code = posix_spawn(&pid, engine, &actions, NULL, copies, environ);
    free_arguments(copies);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    *out_fd = ends[0];
    if (code == 0) return pid;
    close(ends[0]);
    error_set_errno(err, code, "cannot start %s", engine);
    return -1;
}

/* All it prints, until it closes its end or the time is over. */
static bool read_answer(int fd, int64_t limit_ms, struct buf *answer)
{
    int64_t deadline = clock_now_ns() + limit_ms * NS_PER_MS;
    for (;;) {
        char chunk[4096];
        int64_t left_ms = (deadline - clock_now_ns()) / NS_PER_MS;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || answer->size > ENGINE_ANSWER_BYTES_MAX) return false;
        if (poll(&p, 1, (int)left_ms) <= 0) continue;
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n == 0) return true;
        if (n > 0) buf_append(answer, chunk, (size_t)n);
        if (n < 0 && errno != EINTR) return false;
    }
}

bool engine_child_run(const char *engine, const char *const *arguments, int64_t limit_ms,
                      struct buf *answer, int *status, struct error *err)
{
    int fd;
    pid_t pid = start(engine, arguments, &fd, err);
    if (pid < 0) return false;
    bool whole = read_answer(fd, limit_ms, answer);
    if (!whole) kill(pid, SIGKILL);
    close(fd);
    *status = 0;
    while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
    }
    return whole || error_set(err, ERROR_TIMEOUT, "zoe-engine %s took too long", arguments[1]);
}

/* fork and exec with the child's JSON line read back; no shell. */
#include "cli/media_tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"

#define ANSWER_LIMIT_BYTES (64 * 1024)

_Noreturn static void become_tool(const char *program, char *const arguments[], int out)
{
    dup2(out, 1);
    execv(program, arguments);
    _exit(127);
}

static void read_answer(int fd, struct buf *out)
{
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && errno != EINTR) return;
        if (n > 0 && out->size + (size_t)n <= ANSWER_LIMIT_BYTES) buf_append(out, chunk, (size_t)n);
    }
}

/* The tool's own words when it has any. */
static bool judge(const struct buf *answer, int status, const char *verb, struct error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    json_t *line = json_parse(buf_text(answer), answer->size, "zoe-media's answer", NULL);
    const char *message = line ? json_string_value(json_object_get(line, "message")) : NULL;
    if (message)
        error_set(err, ERROR_FAILED, "zoe-media %s: %s", verb, message);
    else
        error_set(err, ERROR_FAILED, "zoe-media %s ended with status %d", verb, status);
    json_decref(line);
    return false;
}

static bool run_tool(const char *verb, const char *manifest, const char *out, struct error *err)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set_errno(err, errno, "pipe");
    char *own = path_own_folder();
    char *program = path_join(own, "zoe-media");
    char *const arguments[] = {"zoe-media", xstrdup(verb), "--manifest", xstrdup(manifest),
                               "--out",     xstrdup(out),  NULL};
    pid_t child = fork();
    if (child == 0) become_tool(program, arguments, ends[1]);
    close(ends[1]);
    struct buf answer = BUF_INIT;
    int status = -1;
    if (child > 0) {
        read_answer(ends[0], &answer);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    bool ok = child < 0 ? error_set_errno(err, errno, "fork") : judge(&answer, status, verb, err);
    buf_finish(&answer);
    free(arguments[1]);
    free(arguments[3]);
    free(arguments[5]);
    free(program);
    free(own);
    return ok;
}

bool media_tool_draw(const char *folder, const json_t *manifest, const char *sheet,
                     const char *page, struct error *err)
{
    char *path = path_join(folder, ".manifest.json");
    char *text = json_pretty(manifest);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err) &&
              run_tool("sheet", path, sheet, err) && run_tool("page", path, page, err);
    unlink(path);
    free(text);
    free(path);
    return ok;
}

/* fork and exec with the child's JSON line read back; no shell. */
#include "cli/media_tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/child_output.h"

#define ANSWER_LIMIT_BYTES (64 * 1024)

_Noreturn static void become_tool(const char *program, char *const arguments[], int out)
{
    dup2(out, 1);
    execv(program, arguments);
    _exit(127);
}

/* The tool's own words when it has any. */
static bool judge(const json_t *line, int status, const char *verb, struct error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    const char *message = json_string_value(json_object_get(line, "message"));
    if (message) return error_set(err, ERROR_FAILED, "zoe-media %s: %s", verb, message);
    return error_set(err, ERROR_FAILED, "zoe-media %s ended with status %d", verb, status);
}

static bool run_child(const char *program, char *const arguments[], struct buf *answer, int *status,
                      struct error *err)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set_errno(err, errno, "pipe");
    pid_t child = fork();
    if (child == 0) become_tool(program, arguments, ends[1]);
    close(ends[1]);
    if (child > 0) {
        child_output_read(ends[0], ANSWER_LIMIT_BYTES, answer);
        while (waitpid(child, status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    return child > 0 || error_set_errno(err, errno, "fork");
}

/* execv wants them writable. */
static char **copy_arguments(const char *const *arguments)
{
    size_t count = 0;
    while (arguments[count])
        count++;
    char **copy = xcalloc(count + 4, sizeof *copy);
    copy[0] = xstrdup("zoe-media");
    copy[1] = xstrdup("--parent");
    copy[2] = xasprintf("%d", (int)getpid());
    for (size_t i = 0; i < count; i++)
        copy[i + 3] = xstrdup(arguments[i]);
    return copy;
}

bool media_tool_run(const char *const *arguments, json_t **answer, struct error *err)
{
    struct buf text = BUF_INIT;
    int status = -1;
    char *own = path_own_folder();
    char *program = path_join(own, "zoe-media");
    char **copy = copy_arguments(arguments);
    bool ok = run_child(program, copy, &text, &status, err);
    json_t *line = json_parse(buf_text(&text), text.size, "zoe-media's answer", NULL);
    ok = ok && judge(line, status, arguments[0], err);
    if (ok && answer) *answer = json_incref(line);
    json_decref(line);
    for (char **argument = copy; *argument; argument++)
        free(*argument);
    free(copy);
    free(program);
    free(own);
    buf_finish(&text);
    return ok;
}

static bool draw(const char *verb, const char *manifest, const char *out, struct error *err)
{
    const char *const arguments[] = {verb, "--manifest", manifest, "--out", out, NULL};
    return media_tool_run(arguments, NULL, err);
}

bool media_tool_draw(const char *folder, const json_t *manifest, const char *sheet,
                     const char *page, struct error *err)
{
    char *path = path_join(folder, ".manifest.json");
    char *text = json_pretty(manifest);
    bool ok = path_write_atomic(path, text, strlen(text), 0600, err) &&
              draw("sheet", path, sheet, err) && draw("page", path, page, err);
    unlink(path);
    free(text);
    free(path);
    return ok;
}

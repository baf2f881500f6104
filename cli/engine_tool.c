/* posix_spawn with the answer read from a pipe; its words for people go to a file without a name.
 */
#include "cli/engine_tool.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/child_output.h"

#define ANSWER_LIMIT_BYTES (4 * 1024 * 1024)
#define WORDS_MAX 16

extern char **environ;

static bool spawn(const char *const *arguments, int out, int words, pid_t *pid, struct error *err)
{
    char *argv[WORDS_MAX + 2] = {xstrdup("zoe-engine")};
    int count = 1;
    for (; arguments[count - 1] && count <= WORDS_MAX; count++)
        argv[count] = xstrdup(arguments[count - 1]);
    char *own = path_own_folder();
    char *program = path_join(own, "zoe-engine");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, words, 2);
    int code = posix_spawn(pid, program, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    bool ok = code == 0 || error_set_errno(err, code, "cannot start %s", program);
    for (int i = 0; i < count; i++)
        free(argv[i]);
    free(program);
    free(own);
    return ok;
}

static const struct {
    int status;
    enum error_code code;
} CODES[] = {
    {2, ERROR_INVALID}, {3, ERROR_NOT_FOUND}, {6, ERROR_REFUSED}, {130, ERROR_INTERRUPTED}};

/* The last line that it says in its own name, or the last of all. */
static void last_words(FILE *words, char *out, size_t size)
{
    static const char NAME[] = "zoe-engine: ";
    char line[600];
    bool named = false;
    out[0] = 0;
    rewind(words);
    while (fgets(line, sizeof line, words)) {
        bool own = strncmp(line, NAME, strlen(NAME)) == 0;
        if (!line[strspn(line, " \n")] || (named && !own)) continue;
        line[strcspn(line, "\n")] = 0;
        snprintf(out, size, "%s", own ? line + strlen(NAME) : line);
        named = own;
    }
}

static bool tell_failure(FILE *words, int status, const char *verb, struct error *err)
{
    char said[600];
    enum error_code code = ERROR_FAILED;
    last_words(words, said, sizeof said);
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++)
        if (CODES[i].status == status) code = CODES[i].code;
    if (*said) return error_set(err, code, "%s", said);
    return error_set(err, code, "zoe-engine %s ended with status %d", verb, status);
}

static bool run(const char *const *arguments, FILE *words, json_t **answer, int *status,
                struct error *err)
{
    int ends[2], raw = 0;
    pid_t pid;
    struct buf text = BUF_INIT;
    if (pipe(ends) != 0) return error_set_errno(err, errno, "pipe");
    bool ok = spawn(arguments, ends[1], fileno(words), &pid, err);
    close(ends[1]);
    if (ok) {
        child_output_read(ends[0], ANSWER_LIMIT_BYTES, &text);
        while (waitpid(pid, &raw, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
    if (ok && text.size)
        *answer = json_parse(buf_text(&text), text.size, "zoe-engine's answer", NULL);
    buf_finish(&text);
    if (!ok || *answer || *status == 0) return ok;
    return tell_failure(words, *status, arguments[0], err);
}

bool engine_tool(const char *const *arguments, json_t **answer, int *status, struct error *err)
{
    *answer = NULL;
    FILE *words = tmpfile();
    if (!words) return error_set_errno(err, errno, "no temporary file");
    bool ok = run(arguments, words, answer, status, err);
    fclose(words);
    return ok;
}

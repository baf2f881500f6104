/* run_engine: `zoe-engine` of this build, as people run it. */
#ifndef ZOE_TESTS_ENGINE_RUN_ENGINE_H
#define ZOE_TESTS_ENGINE_RUN_ENGINE_H

#include "tiny_copy.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

static const char zoe_engine[] = TEST_BIN "/zoe-engine";

/* Runs with stdout and stderr in FOLDER/out and FOLDER/err; returns the exit code. */
static inline int run_engine(const char *folder, const char *const *args)
{
    char *argv[24] = {xstrdup(zoe_engine)}, *out = scratch_path(folder, "out"),
         *err = scratch_path(folder, "err");
    int count = 1, status = 0;
    for (int i = 0; args[i] != NULL; i++)
        argv[count++] = xstrdup(args[i]);
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        dup2(open(err, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDERR_FILENO);
        execv(zoe_engine, argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    for (int i = 0; i < count; i++)
        free(argv[i]);
    free(out);
    free(err);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

#endif

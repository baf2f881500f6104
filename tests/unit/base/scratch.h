/* scratch: what the tests of base share: an own folder that goes away again, and code that must die
 * of a signal. */
#ifndef ZOE_TESTS_UNIT_BASE_SCRATCH_H
#define ZOE_TESTS_UNIT_BASE_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/path.h"
#include "base/xalloc.h"

static inline char *scratch_make(void)
{
    const char *base = getenv("TMPDIR");
    char *folder = xasprintf("%s/zoe-base-XXXXXX", base != NULL ? base : "/tmp");
    assert_non_null(mkdtemp(folder));
    return folder;
}

static inline void scratch_remove(char *folder)
{
    struct error err = {0};
    if (!path_remove_tree(folder, &err)) fail_msg("%s", err.message);
    free(folder);
}

/* Runs `body` in a child with a silent stderr; gives the signal that ended it, or 0. */
static inline int scratch_child_signal(void (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(STDERR_FILENO);
        body();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#endif

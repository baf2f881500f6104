/* Limits, each looked at from inside a child that entered the sandbox. */
#include "unit/media/media_test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "media/sandbox.h"

#define MIB (UINT64_C(1) << 20)

typedef int (*child_body)(const char *folder);

static int run_child(child_body body, const char *folder)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) _exit(body(folder));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool enter(uint64_t memory_bytes, uint64_t cpu_s, uint64_t file_bytes)
{
    const struct sandbox_limits limits = {memory_bytes, cpu_s, file_bytes, 0};
    struct error err;
    return sandbox_enter(&limits, &err);
}

static bool limit_is(int resource, rlim_t want)
{
    struct rlimit now;
    return getrlimit((__rlimit_resource_t)resource, &now) == 0 && now.rlim_cur == want;
}

static int look_at_limits(const char *folder)
{
    (void)folder;
    if (!enter(1024 * MIB, 77, 5 * MIB)) return 1;
    if (!limit_is(RLIMIT_CPU, 77)) return 2;
    if (!limit_is(RLIMIT_FSIZE, 5 * MIB)) return 3;
    if (!limit_is(RLIMIT_CORE, 0)) return 4;
    int dead_signal = 0;
    if (prctl(PR_GET_PDEATHSIG, &dead_signal, 0, 0, 0) != 0 || dead_signal != SIGKILL) return 5;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return 6;
    return 0;
}

static void every_limit_is_set(void **state)
{
    assert_int_equal(run_child(look_at_limits, *state), 0);
}

/* An orphan has another parent than the one that began it. */
static int be_an_orphan(const char *folder)
{
    struct error err = {0};
    struct sandbox_limits limits = {1024 * MIB, 77, 5 * MIB, getppid()};
    (void)folder;
    if (!sandbox_enter(&limits, &err)) return 1;
    limits.parent = getpid();
    if (sandbox_enter(&limits, &err)) return 2;
    return err.code == ERROR_INTERRUPTED ? 0 : 3;
}

static void an_orphan_does_not_begin(void **state)
{
    assert_int_equal(run_child(be_an_orphan, *state), 0);
}

static int keep_lower_limits(const char *folder)
{
    (void)folder;
    if (!enter(1024 * MIB, 10, MIB)) return 1;
    if (!enter(2048 * MIB, 100, 100 * MIB)) return 2;
    return limit_is(RLIMIT_CPU, 11) && limit_is(RLIMIT_FSIZE, MIB) ? 0 : 3;
}

static void limits_only_go_down(void **state)
{
    assert_int_equal(run_child(keep_lower_limits, *state), 0);
}

static int write_too_much(const char *folder)
{
    if (!enter(1024 * MIB, 60, 4096)) return 1;
    char *path = path_join(folder, "large");
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    free(path);
    static const char block[8192];
    if (write(fd, block, sizeof(block)) != 4096) return 2;
    if (write(fd, block, sizeof(block)) >= 0 || errno != EFBIG) return 3;
    return 0;
}

static void large_file_is_an_error_not_a_signal(void **state)
{
    assert_int_equal(run_child(write_too_much, *state), 0);
}

static int use_processor(const char *folder)
{
    (void)folder;
    if (!enter(1024 * MIB, 1, MIB)) return 1;
    for (volatile unsigned i = 0;; i++) {
    }
}

static void processor_time_ends(void **state)
{
    assert_int_equal(run_child(use_processor, *state), 128 + SIGXCPU);
}

static int use_memory(const char *folder)
{
    (void)folder;
    if (!enter(256 * MIB, 60, MIB)) return 1;
    struct error err;
    char *large = alloc_checked(1024, MIB, "too much", &err);
    bool refused = large == NULL && err.code == ERROR_NO_MEMORY;
    free(large);
    return refused ? 0 : 2;
}

static void memory_ends(void **state)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    (void)state;
    (void)use_memory;
    skip(); /* the limit is not set under these */
#else
    assert_int_equal(run_child(use_memory, *state), 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_limit_is_set),
        cmocka_unit_test(an_orphan_does_not_begin),
        cmocka_unit_test(limits_only_go_down),
        cmocka_unit_test(large_file_is_an_error_not_a_signal),
        cmocka_unit_test(processor_time_ends),
        cmocka_unit_test(memory_ends),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

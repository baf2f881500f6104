/* Limits of a media child. */
#include "media/sandbox.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SPACE_LIMITED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define ADDRESS_SPACE_LIMITED 0
#endif
#elif defined(__SANITIZE_THREAD__)
#define ADDRESS_SPACE_LIMITED 0
#endif
#ifndef ADDRESS_SPACE_LIMITED
#define ADDRESS_SPACE_LIMITED 1
#endif

struct limit_row {
    int resource;
    const char *name;
    uint64_t soft, hard;
    bool wanted;
};

/* A limit that already is lower, set by whoever runs the farm, stays. */
static bool lower(const struct limit_row *row, struct error *err)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)row->resource, &now) != 0) {
        return error_set_errno(err, errno, "reading the limit of %s", row->name);
    }
    struct rlimit want = {.rlim_cur = row->soft, .rlim_max = row->hard};
    if (now.rlim_max < want.rlim_max) want.rlim_max = now.rlim_max;
    if (want.rlim_cur > want.rlim_max) want.rlim_cur = want.rlim_max;
    if (setrlimit((__rlimit_resource_t)row->resource, &want) == 0) return true;
    return error_set_errno(err, errno, "limiting %s", row->name);
}

/* The parent may have gone before the call, and before this process began: then the signal would
 * never come, and whoever stands in for the parent writes the same files. */
static bool die_with_parent(int64_t named, struct error *err)
{
    const pid_t parent = named != 0 ? (pid_t)named : getppid();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return error_set_errno(err, errno, "asking to die with the parent");
    }
    if (getppid() == parent) return true;
    return error_set(err, ERROR_INTERRUPTED, "the parent process is gone");
}

bool sandbox_enter(const struct sandbox_limits *limits, struct error *err)
{
    const struct limit_row rows[] = {
        {RLIMIT_AS, "memory", limits->memory_bytes, limits->memory_bytes, ADDRESS_SPACE_LIMITED},
        {RLIMIT_CPU, "processor time", limits->cpu_s, limits->cpu_s + 1, true},
        {RLIMIT_FSIZE, "file size", limits->file_bytes, limits->file_bytes, true},
        {RLIMIT_CORE, "core dumps", 0, 0, true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].wanted && !lower(&rows[i], err)) return false;
    }
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR) {
        return error_set_errno(err, errno, "ignoring SIGXFSZ");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_set_errno(err, errno, "giving up new privileges");
    }
    return die_with_parent(limits->parent, err);
}

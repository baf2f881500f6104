/* sandbox: limits a process puts on itself before it opens a file made by somebody else: memory,
 * processor time, file size, no core dump, no new privileges, and death with its parent. A process
 * over its limit dies or fails an allocation; the one that started it sees a death. */
#ifndef ZOE_MEDIA_SANDBOX_H
#define ZOE_MEDIA_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct sandbox_limits {
    uint64_t
        memory_bytes; /* address space; not applied under AddressSanitizer, which maps terabytes */
    uint64_t cpu_s;   /* processor seconds: SIGXCPU, a second later SIGKILL */
    uint64_t file_bytes; /* largest file it may write: EFBIG, not a signal */
    int64_t parent;      /* process that must still be the parent; 0 = whichever it is */
};

/* Irreversible. Fails when a limit cannot be set, or the parent is gone (ERROR_INTERRUPTED). Only
 * who is told the parent's number can know that: an orphan finds init in its place. Call from main,
 * before any thread. */
bool sandbox_enter(const struct sandbox_limits *limits, struct error *err);

#endif

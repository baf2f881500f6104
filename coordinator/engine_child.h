/* engine_child: one run of `zoe-engine`, so that models' files are parsed outside of this process.
 * Blocks: for pool threads. Any number at a time. */
#ifndef ZOE_COORDINATOR_ENGINE_CHILD_H
#define ZOE_COORDINATOR_ENGINE_CHILD_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define ENGINE_ANSWER_BYTES_MAX (256 * 1024)

/* `arguments`: NULL-terminated, "zoe-engine" first. Its stdout is appended to `answer`, *status is
 * what waitpid says. False when it cannot be started, says too much, or takes longer than the
 * limit, which kills it. */
bool engine_child_run(const char *engine, const char *const *arguments, int64_t limit_ms,
                      struct buf *answer, int *status, struct error *err);

#endif

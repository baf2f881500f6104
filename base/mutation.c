#include "base/mutation.h"

#ifdef ZOE_MUTATIONS

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static const char *const names[MUTATIONS] = {
    [MUTATION_NONE] = "",
    [MUTATION_NO_FENCE] = "no_fence",
    [MUTATION_NO_FSYNC] = "no_fsync",
    [MUTATION_ACK_BEFORE_COMMIT] = "ack_before_commit",
    [MUTATION_NO_CONTENT_CHECK] = "no_content_check",
    [MUTATION_NO_DEDUPE] = "no_dedupe",
};

bool mutated(enum mutation which)
{
    const char *wanted = getenv("ZOE_MUTATION");
    return wanted != NULL && strcmp(wanted, names[which]) == 0;
}

void mutation_warn(void)
{
    const char *wanted = getenv("ZOE_MUTATION");
    log_warn("this is a build for tests: not for use");
    for (int i = 1; wanted != NULL && i < MUTATIONS; i++) {
        if (mutated((enum mutation)i)) log_warn("it is broken on purpose: %s", names[i]);
    }
}

#else

typedef int mutation_is_not_here;

#endif

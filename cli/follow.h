/* follow: waiting for a batch, with a progress line on a terminal. Survives a coordinator's
 * restart; Ctrl-C detaches and says how to come back. */
#ifndef ZOE_CLI_FOLLOW_H
#define ZOE_CLI_FOLLOW_H

#include "cli/client.h"

struct follow_options {
    bool quiet;
    bool events;      /* print each event (watch) */
    bool json;        /* events as NDJSON */
    bool unnamed;     /* Ctrl-C says nothing of the batch */
    int64_t limit_ns; /* 0 = none */
};

/* Waits until the batch ends. True with its last state in *state (heap, caller frees): done,
 * failed, canceled. ERROR_TIMEOUT, ERROR_INTERRUPTED. */
bool follow_batch(struct zclient *client, const char *batch, const struct follow_options *options,
                  char **state, struct error *err);

/* Exit code for a batch that ended so: 0 done, 1 otherwise. */
int follow_exit_code(const char *state);

#endif

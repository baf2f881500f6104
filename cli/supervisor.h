/* supervisor: keeps one coordinator and N workers of this machine alive (lifecycle F1). Runs in its
 * own process, `zoe farm supervise`.
 *
 * Children are restarted after 0, 1, 5, 30 s and die with the supervisor (parent-death signal).
 * SIGTERM ends workers, then the coordinator. SIGUSR1 reads FOLDER/workers.want (a number) and
 * starts or drains workers. */
#ifndef ZOE_CLI_SUPERVISOR_H
#define ZOE_CLI_SUPERVISOR_H

#include <stdbool.h>

#include "base/error.h"

struct supervisor_options {
    const char *folder;
    int workers;          /* 0 = as last time, else 1 */
    bool leave_when_idle; /* the coordinator ends after ten idle minutes, and the farm with it */
    int ready_fd;         /* "ready" or an error is written here, then it is closed; -1 = none */
};

/* Blocks until the farm is down. */
bool supervisor_run(const struct supervisor_options *options, struct error *err);

#define SUPERVISOR_WORKERS_MAX 64
#define SUPERVISOR_WANT "workers.want"

#endif

/* embedded: the farm on this machine, as seen by a command: where it lives, whether it runs, how to
 * reach it, how to start it.
 *
 * FOLDER (0700; --state or ${XDG_STATE_HOME:-~/.local/state}/zoetrope) holds farm.lock (held by the
 * supervisor), farm.json (renamed into place once both sockets are bound), coordinator/ and
 * workers/1..N/. The supervisor itself is supervisor.c, run as `zoe farm supervise`. */
#ifndef ZOE_CLI_EMBEDDED_H
#define ZOE_CLI_EMBEDDED_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/target.h"

struct embedded {
    pid_t pid;
    int workers;
    char *workers_url;
    char *clients_url;
    char *server_key; /* 64 hex digits */
    char *client_key_file;
};

char *embedded_folder(const struct call *call, struct error *err); /* caller frees */

/* True when a coordinator that was started by hand holds the folder and its coordinator.json is
 * readable (then there are no workers and the pid is its own), or a supervisor and its farm.json.
 */
bool embedded_read(const char *folder, struct embedded *out);
/* Whether the folder is that of a coordinator itself: no farm is ever started in it. */
bool embedded_is_coordinator(const char *folder);
bool embedded_is_worker(const char *folder);
void embedded_finish(struct embedded *e);

/* Starts a supervisor and waits until the farm can be reached; connects to the one that is already
 * there. ERROR_UNREACHABLE: the folder is a coordinator's, which is not reached. */
bool embedded_start(const char *folder, int workers, bool leave_when_idle, struct error *err);

/* For target_find. Says on stderr when it starts or resumes a farm. */
bool embedded_find(struct target *target, const struct call *call, enum target_start start,
                   struct error *err);

#define EMBEDDED_LOCK "farm.lock"
#define EMBEDDED_JSON "farm.json"
#define COORDINATOR_LOCK "coordinator.lock"
#define COORDINATOR_JSON "coordinator.json"
#define WORKER_LOCK "worker.lock"

#endif

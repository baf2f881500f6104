/* coordinator_host: a whole coordinator in this process, with its sockets bound, so that fuzzers
 * can hand it messages as if they had come from peers. The state folder is FOLDER/state. */
#ifndef ZOE_TESTS_FUZZ_COORDINATOR_HOST_H
#define ZOE_TESTS_FUZZ_COORDINATOR_HOST_H

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/coordinator.h"
#include "coordinator/dispatch.h"
#include "coordinator/shell.h"
#include "fuzz/fuzz_folder.h"

#define HOST_START_NS (60 * NS_PER_S)

struct host {
    struct coordinator *c;
    char *state;
};

/* One pass of the loop; what was stirred is committed and answered. */
static inline void host_turn(struct host *h)
{
    shell_stir(h->c);
    (void)uv_run(&h->c->loop, UV_RUN_NOWAIT);
}

/* False with err: it did not come up, in good order. */
static inline bool host_open(struct host *h, struct error *err)
{
    struct coordinator_options o = {.listen_workers = "tcp://127.0.0.1:*",
                                    .listen_clients = "tcp://127.0.0.1:*",
                                    .models = {TEST_SOURCE "/models"},
                                    .model_count = 1};
    h->state = path_join(fuzz_folder(), "state");
    o.state = h->state;
    h->c = coordinator_create(&o, err);
    if (h->c == NULL) return false;
    coordinator_begin(h->c);
    const int64_t deadline_ns = clock_now_ns() + HOST_START_NS;
    while (!h->c->up && !h->c->stopping && clock_now_ns() < deadline_ns)
        (void)uv_run(&h->c->loop, UV_RUN_ONCE);
    ZOE_ASSERT(h->c->up || h->c->stopping);
    if (h->c->up) return true;
    *err = h->c->exit_error;
    return false;
}

static inline void host_close(struct host *h)
{
    coordinator_destroy(h->c);
    free(h->state);
    *h = (struct host){0};
}

#endif

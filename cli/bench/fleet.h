/* fleet: simulated workers in one process. Each has its own key, connection and session and speaks
 * the protocol as a worker does, but renders nothing: it answers each task with a report at once,
 * or at a given rate. For measuring a coordinator; nobody else uses it. One loop, one thread. */
#ifndef ZOE_CLI_BENCH_FLEET_H
#define ZOE_CLI_BENCH_FLEET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/error.h"
#include "cli/bench/tally.h"
#include "proto/keys.h"

#define FLEET_WORKERS_MAX 4500 /* four descriptors each */
#define FLEET_REPORT_MIN 64

struct fleet_options {
    const char *url; /* worker socket */
    uint8_t server_key[KEY_BYTES];
    uint8_t seed[KEY_BYTES]; /* of the keys */
    uint32_t first;          /* number of the first worker */
    uint32_t workers;
    uint32_t slots; /* of each */
    struct digest canary;
    uint32_t report_bytes;          /* FLEET_REPORT_MIN .. LIMIT_INLINE_BYTES */
    uint32_t width, height, frames; /* as submitted */
    double rate;     /* results a second of all of them; 0 = as fast as they are asked for */
    int64_t run_ns;  /* ends after so long, 0 = at SIGTERM or when stdin closes */
    int64_t warm_ns; /* what happens before is not counted */
};

/* Runs the loop until the end. False: a socket could not be opened. */
bool fleet_run(const struct fleet_options *options, struct fleet_result *out, struct error *err);

#endif

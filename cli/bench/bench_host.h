/* bench_host: the coordinator that is measured: the real program in a folder of its own, on one
 * processor, with durability and encryption as always. */
#ifndef ZOE_CLI_BENCH_HOST_H
#define ZOE_CLI_BENCH_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"
#include "proto/zclient.h"

struct bench_host {
    char *folder;
    int cpu; /* it runs there, and the others elsewhere; -1 = anywhere */
    pid_t pid;
    char *workers_url, *clients_url;
    uint8_t server_key[KEY_BYTES];
    uint8_t seed[KEY_BYTES]; /* of the workers' keys */
    struct digest canary;
    struct zclient *admin;
    uint64_t wal_peak_bytes; /* as sampled */
};

/* A folder below `parent` (TMPDIR by default), and the coordinator started in it. */
bool bench_host_open(struct bench_host *h, const char *parent, struct error *err);
/* Ends it and removes the folder. */
void bench_host_close(struct bench_host *h);
bool bench_host_start(struct bench_host *h, struct error *err); /* again, at the same addresses */
void bench_host_end(struct bench_host *h, int signal);          /* and waits for it */
/* A client for questions; an older one is closed. */
bool bench_host_connect(struct bench_host *h, struct error *err);

/* Lets workers first .. first + count - 1 in. */
bool bench_host_allow(struct bench_host *h, uint32_t first, uint32_t count, struct error *err);

#define BENCH_REPORT_BYTES 1024 /* what a simulated worker hands in for each */
#define BENCH_SEEDS 4
#define BENCH_REPORTS                                                                              \
    "{\"model\":\"pattern\",\"seeds\":4,\"num_frames\":1,\"num_inference_steps\":1,"               \
    "\"width\":16,\"height\":16,\"report\":true}" /* options of BENCH_SEEDS reports a prompt */

struct bench_batch {
    const char *what; /* its prompts begin so, and its key ends so: one of each name */
    uint32_t prompts;
    uint32_t seeds; /* as `options` say */
    const char *options;
    int priority;
};
/* Sent and acknowledged; the time from the first byte on may be NULL. */
bool bench_host_submit(struct bench_host *h, const struct bench_batch *b, double *seconds_out,
                       struct error *err);

uint64_t bench_host_memory(const struct bench_host *h);   /* its own, not shared files; bytes */
uint64_t bench_host_database(const struct bench_host *h); /* bytes, without the log */
double bench_host_cpu_seconds(const struct bench_host *h);
uint32_t bench_host_descriptors(const struct bench_host *h);
void bench_host_sample(struct bench_host *h); /* notes the size of the log */
/* Status; NULL with err. Free with message_free. */
struct message *bench_host_status(struct bench_host *h, struct error *err);

struct bench_load { /* what simulated workers do */
    uint32_t first, workers, slots;
    uint32_t report_bytes; /* 0: BENCH_REPORT_BYTES */
    double rate;           /* results a second of all of them; 0 = as fast as they are asked for */
    double run_s, warm_s;  /* 0 = until they are ended; what comes before is not counted */
};

/* A child of this very program (`zoe bench fleet`) that simulates workers; its answer is read from
 * the descriptor. */
struct bench_fleet {
    pid_t pid;
    int out;
};
bool bench_fleet_start(struct bench_fleet *f, const struct bench_host *h,
                       const struct bench_load *load, struct error *err);
/* Waits (or ends it first, when `now`); the result, or NULL with err. */
json_t *bench_fleet_end(struct bench_fleet *f, bool now, struct error *err);

#endif

/* bench_run: what the measures of `zoe bench farm` share: the coordinator under test, the table
 * they fill, and the steps that more than one of them takes. */
#ifndef ZOE_CLI_BENCH_BENCH_RUN_H
#define ZOE_CLI_BENCH_BENCH_RUN_H

#include "cli/bench/bench_farm.h"
#include "cli/bench/bench_host.h"
#include "cli/bench/samples.h"

#define BENCH_MIB (1024.0 * 1024.0)
#define BENCH_FEW_WORKERS 32 /* that keep a coordinator busy: so many times so many slots */
#define BENCH_SLOTS 32
#define BENCH_WARM_S 3

struct bench {
    struct bench_host host;
    const struct bench_size *size;
    bool quiet;
    struct bench_table *table;
    uint32_t allowed; /* workers that were let in so far */
    struct error *err;
};

void bench_say(const struct bench *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One row of the table. `at_least`: the goal is the least it may be. */
void bench_row(struct bench *b, const char *name, const char *what, const char *unit, double goal,
               double found, bool at_least);
double bench_number(const json_t *o, const char *key);
void bench_pause_ms(int64_t ms);
double bench_seconds_since(int64_t start_ns);

/* Four reports a prompt. */
bool bench_submit(struct bench *b, uint32_t prompts, const char *what, double *seconds_out);
/* Lets workers in, if need be, so that there are `count`. */
bool bench_allow(struct bench *b, uint32_t count);
/* `load` with a warm-up. */
bool bench_fleet(struct bench *b, struct bench_fleet *f, struct bench_load load);
/* Asks for the status again and again until the time is over; the answers' times in ms. */
bool bench_poll_status(struct bench *b, double seconds, struct samples *answers);
/* A clean stop and a start: what the log held is in the file then. */
bool bench_settle(struct bench *b, uint64_t *database_bytes_out);

/* Of the status; -1 when it cannot be had. */
double bench_published(struct bench *b);
double bench_lost(struct bench *b);
bool bench_await_workers(struct bench *b, uint32_t wanted, double limit_s, double *seconds_out);
/* Those of the measure before have said goodbye. */
bool bench_await_nobody(struct bench *b);

/* The measures (bench_life.c, bench_restart.c, bench_crowd.c). */
bool bench_measure_submit(struct bench *b);
bool bench_measure_cycles(struct bench *b);
bool bench_measure_restart(struct bench *b);
bool bench_measure_join(struct bench *b);
bool bench_measure_crowd(struct bench *b);

#endif

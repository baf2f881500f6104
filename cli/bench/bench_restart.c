/* A coordinator with everything in it is killed, comes back, and is asked how it is. */
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/bench/bench_run.h"

/* A task is killed when its worker has it and is told to stop, or has rendered it in vain. A lease
 * that was stored and not sent any more when the kill came is no running task: nobody has it. */
static void add_restart_rows(struct bench *b, const json_t *fleet, double start_s, double lost)
{
    bench_row(b, "restart_time", "kill and restart to the next dispatch", "s", 5,
              bench_number(fleet, "longest_pause_s"), false);
    bench_say(b, "  (the coordinator itself was up after %.2f s; %.0f leases had not been sent)",
              start_s, lost);
    bench_row(b, "restart_lost", "running tasks that the restart cost", "tasks", 0,
              bench_number(fleet, "canceled") + bench_number(fleet, "dropped"), false);
}

static bool restart(struct bench *b, double *start_s)
{
    const int64_t start_ns = clock_now_ns();
    bench_host_end(&b->host, SIGKILL);
    const bool ok = bench_host_start(&b->host, b->err) && bench_host_connect(&b->host, b->err);
    *start_s = bench_seconds_since(start_ns);
    return ok;
}

static void add_status(struct bench *b, const char *name, const char *when, struct samples *answers)
{
    char what[80];
    (void)snprintf(what, sizeof what, "status, 99th percentile, %.1f million tasks, %s",
                   (double)(b->size->prompts + b->size->more) * BENCH_SEEDS / 1e6, when);
    bench_row(b, name, what, "ms", 50, samples_at(answers, 0.99), false);
}

/* A hundred results a second before and after. */
static bool kill_and_restart(struct bench *b)
{
    struct bench_fleet fleet;
    struct samples answers = {.count = 0};
    double start_s = 0;
    const struct bench_load load = {
        .workers = BENCH_FEW_WORKERS, .slots = BENCH_SLOTS, .rate = 100};
    if (!bench_fleet(b, &fleet, load)) return false;
    bool ok = bench_poll_status(b, 2 * BENCH_WARM_S, &answers);
    answers.count = 0;
    ok = ok && restart(b, &start_s) && bench_poll_status(b, b->size->seconds, &answers);
    const double lost = bench_lost(b);
    json_t *result = bench_fleet_end(&fleet, true, b->err);
    if (ok && result && bench_number(result, "stored") == 0)
        ok = error_set(b->err, ERROR_FAILED, "nothing was done around the restart");
    if (ok && result) {
        add_restart_rows(b, result, start_s, lost);
        add_status(b, "status_p99", "100 results a second", &answers);
    }
    samples_finish(&answers);
    json_decref(result);
    return ok && result != NULL;
}

/* The same question while results come as fast as they can. */
static bool ask_when_busy(struct bench *b)
{
    struct bench_fleet fleet;
    struct samples answers = {.count = 0};
    const struct bench_load load = {.workers = BENCH_FEW_WORKERS, .slots = BENCH_SLOTS};
    if (!bench_await_nobody(b) || !bench_fleet(b, &fleet, load)) return false;
    bool ok = bench_poll_status(b, BENCH_WARM_S, &answers);
    answers.count = 0;
    ok = ok && bench_poll_status(b, b->size->seconds / 2, &answers);
    json_t *result = bench_fleet_end(&fleet, true, b->err);
    if (ok && result) {
        add_status(b, "status_busy", "under full load", &answers);
        bench_say(b, "  (%.0f results a second meanwhile; half of the answers within %.1f ms)",
                  bench_number(result, "stored_a_second"), samples_at(&answers, 0.5));
    }
    samples_finish(&answers);
    json_decref(result);
    return ok && result != NULL;
}

bool bench_measure_restart(struct bench *b)
{
    double seconds;
    bench_say(b, "submitting %u more prompts, then a kill ...", (unsigned)b->size->more);
    if (!bench_submit(b, b->size->more, "other thing", &seconds) ||
        !bench_allow(b, BENCH_FEW_WORKERS) || !kill_and_restart(b) || !ask_when_busy(b))
        return false;
    bench_row(b, "wal", "write-ahead log at its largest", "MiB", 64,
              (double)b->host.wal_peak_bytes / BENCH_MIB, false);
    return true;
}

/* Many workers: a thousand that join at once, and ten thousand that are there. */
#include <stdio.h>

#include "cli/bench/bench_run.h"

#define FLEETS 3
#define JOIN_LIMIT_S 60
#define CALM_S 30 /* nobody may be lost for so long after all have joined */

bool bench_measure_join(struct bench *b)
{
    char what[80];
    struct bench_fleet fleet;
    double seconds = 0;
    const uint32_t count = b->size->joiners;
    bench_say(b, "%u workers join at once ...", (unsigned)count);
    if (!bench_allow(b, count) || !bench_await_nobody(b)) return false;
    const double lost = bench_lost(b);
    if (!bench_fleet(b, &fleet, (struct bench_load){.workers = count, .slots = 1})) return false;
    const bool ok = bench_await_workers(b, count, JOIN_LIMIT_S, &seconds);
    const double lost_now = ok ? bench_lost(b) : -1;
    json_t *result = bench_fleet_end(&fleet, true, b->err);
    if (ok && result) {
        (void)snprintf(what, sizeof what, "%u workers join at once", (unsigned)count);
        bench_row(b, "join_time", what, "s", 10, seconds, false);
        bench_row(b, "join_rate", "that is, each with a canary", "per s", 100,
                  seconds > 0 ? count / seconds : 0, true);
        bench_row(b, "join_lost", "of them lost though they were there", "workers", 0,
                  lost_now - lost + bench_number(result, "sessions") - count, false);
    }
    json_decref(result);
    return ok && result != NULL;
}

static bool start_fleets(struct bench *b, struct bench_fleet fleets[FLEETS])
{
    const uint32_t each = (b->size->workers + FLEETS - 1) / FLEETS;
    for (uint32_t i = 0; i < FLEETS; i++) {
        const uint32_t first = i * each;
        const uint32_t count = first + each > b->size->workers ? b->size->workers - first : each;
        const struct bench_load load = {
            .first = first, .workers = count, .slots = 1, .rate = 0.001};
        if (!bench_fleet(b, &fleets[i], load)) return false;
    }
    return true;
}

/* Workers that were welcomed more than once. */
static double end_fleets(struct bench *b, struct bench_fleet fleets[FLEETS])
{
    double sessions = 0;
    for (int i = 0; i < FLEETS; i++) {
        json_t *result = bench_fleet_end(&fleets[i], true, b->err);
        sessions += bench_number(result, "sessions");
        json_decref(result);
    }
    return sessions - b->size->workers;
}

/* Idle as they are (a thousandth of a result a second), only their heartbeats cost something. */
bool bench_measure_crowd(struct bench *b)
{
    char what[80];
    struct bench_fleet fleets[FLEETS] = {{.out = -1}, {.out = -1}, {.out = -1}};
    struct samples answers = {.count = 0};
    double seconds = 0;
    const uint32_t count = b->size->workers;
    bench_say(b, "%u workers connect ...", (unsigned)count);
    if (!bench_allow(b, count) || !bench_await_nobody(b)) return false;
    const double lost = bench_lost(b), before = (double)bench_host_memory(&b->host);
    const bool here =
        start_fleets(b, fleets) && bench_await_workers(b, count, 10 * JOIN_LIMIT_S, &seconds);
    const double cpu_s = bench_host_cpu_seconds(&b->host);
    const bool ok = here && bench_poll_status(b, CALM_S, &answers);
    const double share = (bench_host_cpu_seconds(&b->host) - cpu_s) / CALM_S;
    const double grown = (double)bench_host_memory(&b->host) - before;
    const double lost_now = ok ? bench_lost(b) : -1;
    const double again = end_fleets(b, fleets);
    if (!ok) return false;
    (void)snprintf(what, sizeof what, "memory of each of %u connected workers", (unsigned)count);
    bench_row(b, "worker_memory", what, "KiB", 80, grown / 1024 / count, false);
    bench_row(b, "false_losses", "of them lost though they were there", "workers", 0,
              lost_now - lost + again, false);
    bench_say(b,
              "  (all had joined after %.1f s; idle they take %.1f %% of a processor; status p99 "
              "%.1f ms)",
              seconds, 100 * share, samples_at(&answers, 0.99));
    samples_finish(&answers);
    return true;
}

/* Submitting, and the lives of tasks: how many a second, and what each leaves behind. */
#include <stdio.h>

#include "base/clock.h"
#include "cli/bench/bench_run.h"
#include "cli/bench/fleet.h"

bool bench_measure_submit(struct bench *b)
{
    char what[80];
    double seconds;
    const uint64_t before = bench_host_memory(&b->host);
    bench_say(b, "submitting %u prompts x %d seeds ...", (unsigned)b->size->prompts, BENCH_SEEDS);
    if (!bench_submit(b, b->size->prompts, "thing", &seconds)) return false;
    const uint64_t after = bench_host_memory(&b->host);
    (void)snprintf(what, sizeof what, "submit of %u tasks, sent and acknowledged",
                   (unsigned)b->size->prompts * BENCH_SEEDS);
    bench_row(b, "submit_time", what, "s", 5, seconds, false);
    bench_row(b, "submit_memory", "memory that it cost", "MiB", 64,
              after > before ? (double)(after - before) / BENCH_MIB : 0, false);
    return true;
}

struct lives {     /* of tasks in a while */
    json_t *fleet; /* what their workers say */
    double finished, cpu_s, grown_bytes;
};

/* Workers that hand in as fast as they are asked, with reports of so many bytes. */
static bool live(struct bench *b, uint32_t report_bytes, double seconds, struct lives *out)
{
    struct bench_fleet fleet;
    struct samples answers = {.count = 0};
    uint64_t before_bytes, after_bytes;
    const struct bench_load load = {.workers = BENCH_FEW_WORKERS,
                                    .slots = BENCH_SLOTS,
                                    .report_bytes = report_bytes,
                                    .run_s = BENCH_WARM_S + seconds};
    if (!bench_allow(b, BENCH_FEW_WORKERS) || !bench_settle(b, &before_bytes)) return false;
    const double published = bench_published(b), cpu_s = bench_host_cpu_seconds(&b->host);
    if (!bench_fleet(b, &fleet, load)) return false;
    const bool ok = bench_poll_status(b, load.run_s, &answers);
    out->fleet = bench_fleet_end(&fleet, false, b->err);
    out->cpu_s = bench_host_cpu_seconds(&b->host) - cpu_s;
    out->finished = bench_published(b) - published;
    samples_finish(&answers);
    if (ok && out->fleet && out->finished <= 0)
        return error_set(b->err, ERROR_FAILED, "not one task was finished");
    if (!ok || !out->fleet || !bench_settle(b, &after_bytes)) return false;
    out->grown_bytes = (double)after_bytes - (double)before_bytes;
    return true;
}

static void add_bytes(struct bench *b, const char *name, const struct lives *l, uint32_t report)
{
    char what[80];
    (void)snprintf(what, sizeof what, "database a finished task, beside its report of %u bytes",
                   (unsigned)report);
    bench_row(b, name, what, "bytes", 150, l->grown_bytes / l->finished - report, false);
}

static void add_cycles(struct bench *b, const struct lives *l)
{
    bench_row(b, "life_cycles", "durable task life cycles (assigned, offered, stored)", "per s",
              5000, bench_number(l->fleet, "stored_a_second"), true);
    bench_row(b, "cpu_a_task", "processor of the coordinator a life cycle", "us", 200,
              l->cpu_s / l->finished * 1e6, false);
    bench_say(b, "  (an Offer is answered in %.1f ms, p99 %.1f ms)",
              bench_number(l->fleet, "answer_p50_ms"), bench_number(l->fleet, "answer_p99_ms"));
}

static bool measure_small(struct bench *b)
{
    struct lives small = {.finished = 0};
    const bool ok = live(b, FLEET_REPORT_MIN, b->size->seconds / 4, &small);
    if (ok) add_bytes(b, "bytes_a_task", &small, FLEET_REPORT_MIN);
    json_decref(small.fleet);
    return ok;
}

bool bench_measure_cycles(struct bench *b)
{
    struct lives large = {.finished = 0};
    bench_say(b, "life cycles with %d workers of %d slots for %.0f s ...", BENCH_FEW_WORKERS,
              BENCH_SLOTS, b->size->seconds);
    const bool ok = live(b, BENCH_REPORT_BYTES, b->size->seconds, &large);
    if (ok) {
        add_cycles(b, &large);
        add_bytes(b, "bytes_a_report", &large, BENCH_REPORT_BYTES);
    }
    json_decref(large.fleet);
    return ok && measure_small(b);
}

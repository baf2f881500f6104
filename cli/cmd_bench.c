/* zoe bench farm, and the simulated workers that it starts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/xalloc.h"
#include "cli/bench/bench_farm.h"
#include "cli/bench/bench_soak.h"
#include "cli/bench/fleet.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "proto/limits.h"

/* ---- zoe bench farm ---- */

static json_t *row_json(const struct bench_row *r)
{
    return json_pack("{ss ss ss sf sf ss sb}", "name", r->name, "what", r->what, "unit", r->unit,
                     "goal", r->goal, "found", r->found, "goal_is", r->at_least ? "least" : "most",
                     "met", bench_row_is_met(r));
}

static void print_json(const struct bench_table *t, json_t *conditions)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < t->count; i++)
        json_array_append_new(rows, row_json(&t->rows[i]));
    output_print(json_pack("{soso}", "conditions", conditions, "measures", rows),
                 "zoe.bench_farm.v1");
}

static void print_table(const struct bench_table *t, json_t *conditions)
{
    static const char *const TITLES[] = {"MEASURE", "GOAL", "FOUND", "UNIT", ""};
    struct output_table *table = output_table_create(TITLES, 5);
    for (size_t i = 0; i < t->count; i++) {
        const struct bench_row *r = &t->rows[i];
        output_table_cell(table, "%s", r->what);
        output_table_cell(table, "%s %g", r->at_least ? ">=" : "<=", r->goal);
        output_table_cell(table, "%.4g", r->found);
        output_table_cell(table, "%s", r->unit);
        output_table_cell(table, "%s", bench_row_is_met(r) ? "met" : "NOT MET");
    }
    output_table_print(table);
    const char *key;
    const json_t *value;
    json_object_foreach(conditions, key, value)
    {
        char *text = json_is_string(value) ? xstrdup(json_string_value(value)) : json_line(value);
        printf("%s%s: %s", strcmp(key, "processor") == 0 ? "" : ", ", key, text);
        free(text);
    }
    printf("\n");
    json_decref(conditions);
}

static int run_farm(struct call *call)
{
    struct error err = {0};
    struct bench_table table;
    const char *folder = call_option(call, "folder");
    const bool quick = call_has(call, "quick");
    if (!folder) folder = getenv("TMPDIR");
    json_t *conditions = bench_conditions(folder);
    if (!bench_farm_run(quick ? &bench_quick : &bench_full, call_option(call, "only"), folder,
                        call->quiet, &table, &err)) {
        json_decref(conditions);
        return call_fail(call, &err);
    }
    bench_conditions_load(conditions, "load_after");
    if (call->json)
        print_json(&table, conditions);
    else
        print_table(&table, conditions);
    return 0;
}

static const struct option FARM_OPTIONS[] = {
    {"quick", 0, NULL, "a small one, to see that it works; its figures mean nothing"},
    {"only", 0, "NAME", "one measure: submit, cycles, restart, join or crowd"},
    {"folder", 0, "DIR", "put the coordinator's state there (default: TMPDIR): its disk decides"},
    {0}};

const struct command command_bench_farm = {
    "bench",
    "farm",
    "",
    0,
    0,
    "how a coordinator on this machine bears a large farm",
    "Starts a coordinator of its own in a temporary folder, on one processor, and simulated "
    "workers\n"
    "that speak the whole protocol but render nothing: 10 million tasks, 10,000 workers. Takes "
    "about\n"
    "five minutes and 6 GiB of disk. Each measure stands beside its goal (docs/performance.md).",
    FARM_OPTIONS,
    run_farm,
    false};

/* ---- zoe bench soak ---- */

static int run_soak(struct call *call)
{
    struct error err = {0};
    int64_t minutes = 60, rate = 200, clips = 2;
    if (!call_number(call, "minutes", 1, 100000, &minutes, &err) ||
        !call_number(call, "rate", 1, 100000, &rate, &err) ||
        !call_number(call, "clips", 0, 1000, &clips, &err))
        return call_fail(call, &err);
    const char *folder = call_option(call, "folder");
    const struct soak_options options = {.minutes = (double)minutes,
                                         .rate = (double)rate,
                                         .clip_rate = (double)clips,
                                         .folder = folder ? folder : getenv("TMPDIR"),
                                         .quiet = call->quiet};
    json_t *report = bench_soak_run(&options, &err);
    if (!report) return call_fail(call, &err);
    const bool flat = json_is_true(json_object_get(report, "flat"));
    json_object_set_new(report, "conditions", bench_conditions(options.folder));
    output_print(report, "zoe.bench_soak.v1");
    return flat ? 0 : 1;
}

static const struct option SOAK_OPTIONS[] = {
    {"minutes", 0, "N", "so long (default 60)"},
    {"rate", 0, "N", "small results a second (default 200)"},
    {"clips", 0, "N", "whole clips a second, by real workers (default 2)"},
    {"folder", 0, "DIR", "put the coordinator's state there (default: TMPDIR)"},
    {0}};

const struct command command_bench_soak = {
    "bench",
    "soak",
    "",
    0,
    0,
    "whether a coordinator grows under an hour of ordinary load",
    "A coordinator of its own, simulated workers with small results and real ones with whole "
    "clips.\n"
    "Memory, descriptors and the database's log are looked at every ten seconds; exit code 1 when\n"
    "one of them grows after the first quarter of the time. Prints JSON.",
    SOAK_OPTIONS,
    run_soak,
    false};

/* ---- zoe bench fleet ---- */

struct fleet_text { /* borrowed from the JSON */
    const char *url, *server_key, *seed, *canary;
};

static bool read_counts(const json_t *o, struct fleet_options *f, struct error *err)
{
    int64_t first, workers, slots, bytes;
    double run_s, warm_s;
    if (!json_get_int(o, "first", &first, "fleet", err) ||
        !json_get_int(o, "workers", &workers, "fleet", err) ||
        !json_get_int(o, "slots", &slots, "fleet", err) ||
        !json_get_int(o, "report_bytes", &bytes, "fleet", err) ||
        !json_get_real_or(o, "rate", 0, &f->rate, "fleet", err) ||
        !json_get_real_or(o, "run_s", 0, &run_s, "fleet", err) ||
        !json_get_real_or(o, "warm_s", 0, &warm_s, "fleet", err))
        return false;
    if (first < 0 || first > UINT32_MAX || workers < 1 || workers > FLEET_WORKERS_MAX ||
        slots < 1 || slots > LIMIT_SLOTS / 2 || bytes < FLEET_REPORT_MIN ||
        bytes > LIMIT_INLINE_BYTES)
        return error_set(err, ERROR_USAGE, "a fleet of up to %d workers", FLEET_WORKERS_MAX);
    f->first = (uint32_t)first;
    f->workers = (uint32_t)workers;
    f->slots = (uint32_t)slots;
    f->report_bytes = (uint32_t)bytes;
    f->run_ns = (int64_t)(run_s * NS_PER_S);
    f->warm_ns = (int64_t)(warm_s * NS_PER_S);
    return true;
}

static bool read_fleet(const json_t *o, struct fleet_options *f, struct error *err)
{
    struct fleet_text t;
    *f = (struct fleet_options){.width = 16, .height = 16, .frames = 1};
    if (!json_get_text(o, "url", &t.url, "fleet", err) ||
        !json_get_text(o, "server_key", &t.server_key, "fleet", err) ||
        !json_get_text(o, "seed", &t.seed, "fleet", err) ||
        !json_get_text(o, "canary", &t.canary, "fleet", err) || !read_counts(o, f, err))
        return false;
    f->url = t.url;
    return keys_parse(t.server_key, f->server_key, "server_key", err) &&
           keys_parse(t.seed, f->seed, "seed", err) &&
           (digest_parse(t.canary, &f->canary) || error_set(err, ERROR_USAGE, "canary"));
}

static void print_fleet(const struct fleet_result *r)
{
    json_t *o = json_pack("{sI sI sI sI sI sI sf sf sf sf sf sf}", "joined", (json_int_t)r->joined,
                          "assigned", (json_int_t)r->assigned, "stored", (json_int_t)r->stored,
                          "dropped", (json_int_t)r->dropped, "canceled", (json_int_t)r->canceled,
                          "sessions", (json_int_t)r->sessions, "seconds", r->seconds,
                          "stored_a_second", r->stored_a_second, "longest_pause_s",
                          r->longest_pause_s, "all_joined_s", r->all_joined_s, "answer_p50_ms",
                          r->answer_p50_ms, "answer_p99_ms", r->answer_p99_ms);
    output_print_line(o, "zoe.bench_fleet.v1");
}

static int run_fleet(struct call *call)
{
    struct error err = {0};
    struct fleet_options options;
    struct fleet_result result;
    const char *text = call->arguments[0];
    json_t *o = json_parse(text, strlen(text), "fleet", &err);
    const bool ok = o && read_fleet(o, &options, &err) && fleet_run(&options, &result, &err);
    if (ok) print_fleet(&result);
    json_decref(o);
    return ok ? 0 : call_fail(call, &err);
}

const struct command command_bench_fleet = {
    "bench", "fleet", "JSON",    1,   1, "simulated workers, for `zoe bench farm`",
    NULL,    NULL,    run_fleet, true};

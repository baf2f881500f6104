/* The measures, one after the other on one coordinator. */
#include "cli/bench/bench_farm.h"

#include <string.h>

#include "cli/bench/bench_run.h"

const struct bench_size bench_full = {1000000, 1500000, 10000, 1000, 20};
const struct bench_size bench_quick = {60000, 40000, 60, 60, 3};

static const struct measure {
    const char *name;
    bool needs_work; /* what the first one leaves */
    bool (*run)(struct bench *b);
} measures[] = {
    {"submit", false, bench_measure_submit},  {"cycles", true, bench_measure_cycles},
    {"restart", true, bench_measure_restart}, {"join", false, bench_measure_join},
    {"crowd", false, bench_measure_crowd},
};
#define MEASURES (sizeof measures / sizeof measures[0])

static const struct measure *find_measure(const char *name, struct error *err)
{
    for (size_t i = 0; i < MEASURES; i++)
        if (strcmp(measures[i].name, name) == 0) return &measures[i];
    error_set(err, ERROR_USAGE, "--only is submit, cycles, restart, join or crowd, not %s", name);
    return NULL;
}

static bool run_one(struct bench *b, const struct measure *only)
{
    if (only->needs_work && !bench_measure_submit(b)) return false;
    return only->run(b);
}

static bool run_all(struct bench *b)
{
    bool ok = true;
    for (size_t i = 0; ok && i < MEASURES; i++)
        ok = measures[i].run(b);
    return ok;
}

bool bench_farm_run(const struct bench_size *size, const char *only, const char *folder, bool quiet,
                    struct bench_table *out, struct error *err)
{
    struct bench b = {.size = size, .quiet = quiet, .table = out, .err = err};
    const struct measure *one = only != NULL ? find_measure(only, err) : NULL;
    *out = (struct bench_table){.count = 0};
    if (only != NULL && one == NULL) return false;
    bool ok = bench_host_open(&b.host, folder, err) && (one ? run_one(&b, one) : run_all(&b));
    bench_host_close(&b.host);
    return ok;
}

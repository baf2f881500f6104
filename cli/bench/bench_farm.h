/* bench_farm: how a coordinator bears a large farm: one row a measure, with the goal it is held
 * against and the conditions it was taken under. */
#ifndef ZOE_CLI_BENCH_BENCH_FARM_H
#define ZOE_CLI_BENCH_BENCH_FARM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct bench_size {   /* how much of it */
    uint32_t prompts; /* of the first batch, four seeds each */
    uint32_t more;    /* of the second, for the restart */
    uint32_t workers; /* connected at once */
    uint32_t joiners; /* that join at once */
    double seconds;   /* of a throughput */
};

extern const struct bench_size bench_full, bench_quick;

struct bench_row {
    char name[32];
    char what[80];
    char unit[24];
    double goal;
    double found;
    bool at_least; /* the goal is the least it may be; else the most */
};
#define BENCH_ROWS_MAX 24

struct bench_table {
    struct bench_row rows[BENCH_ROWS_MAX];
    size_t count;
};

static inline bool bench_row_is_met(const struct bench_row *r)
{
    return r->at_least ? r->found >= r->goal : r->found <= r->goal;
}

/* `folder` NULL: TMPDIR. Words for people go to stderr unless quiet. */
/* `only`: one measure by its name, after what it needs; NULL = all. */
bool bench_farm_run(const struct bench_size *size, const char *only, const char *folder, bool quiet,
                    struct bench_table *out, struct error *err);
/* Processor, kernel, disk and build, as JSON. New reference. */
json_t *bench_conditions(const char *folder);
/* The load average of the last minute under that name: of other programs, when asked for before. */
void bench_conditions_load(json_t *o, const char *name);

#endif

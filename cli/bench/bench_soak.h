/* bench_soak: an hour of ordinary load on one coordinator: small results at a steady rate, whole
 * clips by real workers beside them, and a look at memory, descriptors and the log now and then. */
#ifndef ZOE_CLI_BENCH_BENCH_SOAK_H
#define ZOE_CLI_BENCH_BENCH_SOAK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct soak_options {
    double minutes;
    double rate;        /* small results a second */
    double clip_rate;   /* whole clips a second */
    const char *folder; /* NULL: TMPDIR */
    bool quiet;
};

/* The report: what was done, first and last values, growth an hour after the first quarter (the
 * warm-up), and a verdict. New reference, or NULL with err. */
json_t *bench_soak_run(const struct soak_options *options, struct error *err);

#endif

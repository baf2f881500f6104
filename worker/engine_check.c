#include "worker/engine_check.h"

#include "engine/engine.h"
#include "worker/engine_report.h"

#define THREADS 4 /* opening widens and lays out weights */

static const char usage[] =
    "usage: zoe-engine check --model PATH\n"
    "Reads every tensor of the model at PATH, compares names and shapes with its configuration "
    "and\n"
    "prints a report as JSON. Ends with 2 when something is missing or wrong.\n";

static int check(const char *path)
{
    json_t *report = engine_check(path, THREADS);
    const size_t bad = json_array_size(json_object_get(report, "problems")) +
                       json_array_size(json_object_get(report, "missing"));
    const int code = engine_report(report, NULL);
    return code != 0 || bad == 0 ? code : error_exit_code(ERROR_INVALID);
}

int engine_check_main(int argc, char **argv)
{
    return engine_report_main(argc, argv, usage, check);
}

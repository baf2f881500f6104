#include "worker/engine_check.h"

#include <getopt.h>
#include <stdio.h>

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
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *folder = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option != 'm') return error_exit_code(ERROR_USAGE);
        folder = optarg;
    }
    if (folder != NULL && optind == argc) return check(folder);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

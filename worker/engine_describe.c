#include "worker/engine_describe.h"

#include <getopt.h>
#include <stdio.h>

#include "engine/engine.h"
#include "worker/engine_report.h"

static const char usage[] = "usage: zoe-engine describe --model DIR\n"
                            "Prints what the model in DIR is and what it can render, as JSON.\n";

static int describe(const char *folder)
{
    struct error err = {0};
    return engine_report(engine_describe(folder, &err), &err);
}

int engine_describe_main(int argc, char **argv)
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
    if (folder != NULL && optind == argc) return describe(folder);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

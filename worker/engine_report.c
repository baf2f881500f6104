#include "worker/engine_report.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

int engine_report(json_t *answer, const struct error *err)
{
    if (answer == NULL) {
        fprintf(stderr, "zoe-engine: %s\n", err->message);
        return error_exit_code(err->code);
    }
    char *text = json_canonical(answer);
    const bool printed = printf("%s\n", text) > 0 && fflush(stdout) == 0;
    free(text);
    json_decref(answer);
    return printed ? 0 : error_exit_code(ERROR_IO);
}

int engine_report_main(int argc, char **argv, const char *usage, int (*report)(const char *path))
{
    static const struct option options[] = {
        {"model", required_argument, NULL, 'm'}, {"help", no_argument, NULL, 'h'}, {0}};
    const char *path = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option != 'm') return error_exit_code(ERROR_USAGE);
        path = optarg;
    }
    if (path != NULL && optind == argc) return report(path);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

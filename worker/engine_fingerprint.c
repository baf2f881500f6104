/* zoe-engine fingerprint: what decides the bits of a result here, for `zoe doctor`. */
#include "worker/engine_fingerprint.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"
#include "engine/engine.h"

static const char help[] =
    "usage: zoe-engine fingerprint\n"
    "Prints what decides the bits of a result on this machine, as JSON: the engine's numeric\n"
    "version, backend, instruction set, BLAS with its core, libc.\n";

int engine_fingerprint_main(int argc, char **argv)
{
    static const struct option flags[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
    struct engine_options options = {.backend = "cpu", .threads = 1};
    char fingerprint[ENGINE_FINGERPRINT_SIZE];
    struct error err = {0};
    int flag = getopt_long(argc, argv, "", flags, NULL);
    if (flag == 'h') {
        (void)fputs(help, stdout);
        return 0;
    }
    if (flag != -1 || optind < argc) {
        (void)fputs(help, stderr);
        return error_exit_code(ERROR_USAGE);
    }
    if (!engine_fingerprint_of(&options, fingerprint, &err)) {
        (void)fprintf(stderr, "zoe-engine: %s\n", err.message);
        return error_exit_code(err.code);
    }
    json_t *about = json_pack("{ssss}", "schema", "zoe.fingerprint.v1", "fingerprint", fingerprint);
    char *line = json_line(about);
    (void)printf("%s\n", line);
    free(line);
    json_decref(about);
    return 0;
}

#include "worker/engine_convert.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/json.h"
#include "engine/engine.h"

static const char usage[] =
    "usage: zoe-engine convert --model PATH --out DIR [--dtype f32|f16|bf16]\n"
    "Writes the model at PATH, in whatever form it is, as a diffusers folder DIR, which must not\n"
    "exist. Without --dtype tensors keep their own type. Prints a report as JSON.\n";

/* Tensor types by the names that people use; NULL is not one of them. */
static const char *dtype_of(const char *text)
{
    static const char *const names[] = {"F32", "F16", "BF16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcasecmp(names[i], text) == 0) return names[i];
    return NULL;
}

static int convert(const char *path, const char *out, const char *dtype)
{
    struct error err = {0};
    json_t *report = engine_convert(path, out, dtype, &err);
    if (report == NULL) {
        fprintf(stderr, "zoe-engine: %s\n", err.message);
        return error_exit_code(err.code);
    }
    char *text = json_canonical(report);
    const bool printed = printf("%s\n", text) > 0 && fflush(stdout) == 0;
    free(text);
    json_decref(report);
    return printed ? 0 : error_exit_code(ERROR_IO);
}

int engine_convert_main(int argc, char **argv)
{
    static const struct option options[] = {{"model", required_argument, NULL, 'm'},
                                            {"out", required_argument, NULL, 'o'},
                                            {"dtype", required_argument, NULL, 'd'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *path = NULL, *out = NULL, *dtype = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (option == 'm') path = optarg;
        if (option == 'o') out = optarg;
        if (option == 'd' && (dtype = dtype_of(optarg)) == NULL) {
            fprintf(stderr, "zoe-engine: --dtype must be f32, f16 or bf16, not %s\n", optarg);
            return error_exit_code(ERROR_USAGE);
        }
        if (option == '?') return error_exit_code(ERROR_USAGE);
    }
    if (path != NULL && out != NULL && optind == argc) return convert(path, out, dtype);
    fputs(usage, stderr);
    return error_exit_code(ERROR_USAGE);
}

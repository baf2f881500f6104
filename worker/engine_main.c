/* zoe-engine: the diffusion engine as a program. Its commands are the rows of one table. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "worker/engine_canary.h"
#include "worker/engine_check.h"
#include "worker/engine_convert.h"
#include "worker/engine_describe.h"
#include "worker/engine_estimate.h"
#include "worker/engine_fingerprint.h"
#include "worker/engine_lora.h"
#include "worker/engine_plan.h"
#include "worker/engine_serve.h"
#include "worker/engine_trace.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"canary", engine_canary_main, "render a model's canary and print what its canary.json says"},
    {"check", engine_check_main, "read every tensor of a model and say what is wrong, as JSON"},
    {"convert", engine_convert_main, "write a model of any form as a diffusers folder"},
    {"describe", engine_describe_main, "print what a model is and can do, as JSON"},
    {"estimate", engine_estimate_main, "print what a clip of a size would take here, as JSON"},
    {"fingerprint", engine_fingerprint_main, "print what decides the bits of a result, as JSON"},
    {"lora", engine_lora_main, "print what a LoRA is, and how much of it a model takes"},
    {"plan", engine_plan_main, "print the tasks of a clip, or render them all one by one"},
    {"serve", engine_serve_main, "render what a worker asks for on stdin"},
    {"trace", engine_trace_main, "render one recipe and keep everything on the way"},
};

#define COMMAND_COUNT (sizeof commands / sizeof commands[0])

static void print_usage(FILE *out)
{
    fputs("usage: zoe-engine COMMAND [OPTION...]\n\n", out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-11s %s\n", commands[i].name, commands[i].summary);
    fputs("\nEach command has --help. zoe-engine --version prints the version.\n", out);
}

static bool has_avx2(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

/* Sets `name` unless it is right already; true when something changed. */
static bool put_environment(const char *name, const char *value, bool overwrite)
{
    const char *now = getenv(name);
    if (now != NULL && (!overwrite || strcmp(now, value) == 0)) return false;
    return setenv(name, value, 1) == 0;
}

/* OpenBLAS reads its environment when the library is loaded, before main: the only way to choose is
 * to start again. Haswell kernels are as fast as any here and the same on every x86 worker; threads
 * are the engine's own business. */
static void restart_with_blas_settings(char **argv)
{
    bool changed = put_environment("OPENBLAS_NUM_THREADS", "1", true);
    changed = put_environment("OMP_NUM_THREADS", "1", true) || changed;
    if (has_avx2()) changed = put_environment("OPENBLAS_CORETYPE", "Haswell", false) || changed;
    if (!changed) return;
    execv("/proc/self/exe", argv);
    log_warn("cannot start again with BLAS settings: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    log_set_name("zoe-engine");
    restart_with_blas_settings(argv);
    (void)prctl(PR_SET_NAME, "zoe-engine"); /* the restart was under another name */
    if (argc < 2) {
        print_usage(stderr);
        return error_exit_code(ERROR_USAGE);
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("zoe-engine " ZOE_VERSION);
        return 0;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, argv[1]) == 0) return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "zoe-engine: no command is called \"%s\"\n", argv[1]);
    print_usage(stderr);
    return error_exit_code(ERROR_USAGE);
}

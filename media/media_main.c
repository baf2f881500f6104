/* zoe-media: the process that opens media files. Arguments in, files out, one line of JSON on
 * stdout, words on stderr. It limits itself before it looks at anything. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "media/libav.h"
#include "media/media_commands.h"
#include "media/sandbox.h"

struct command_row {
    const char *name;
    media_command_run run;
    const char *words, *summary;
};

static const struct command_row commands[] = {
    {"check", media_check_run, "", "decode a segment and say what it holds"},
    {"latents", media_latents_run, "FILE", "is it the latents or the checkpoint of a task?"},
    {"stitch", media_stitch_run, "SEGMENT...", "encode segments into one checked MP4 or PNG"},
    {"concat", media_concat_run, "SEGMENT...", "join segments without loss (FFV1)"},
    {"hls", media_hls_run, "", "make an MP4 the next part of a stream that players follow"},
    {"probe", media_probe_run, "", "decode an MP4 or PNG and say what it holds"},
    {"inspect", media_inspect_run, "FILE", "say what a person's video or image holds"},
    {"frames", media_frames_run, "FILE", "raw pictures of one size and rate from such a file"},
    {"sheet", media_sheet_run, "", "draw a contact sheet of a batch (PNG)"},
    {"page", media_page_run, "", "write a page of a batch (HTML)"},
    {"versions", media_versions_run, "", "this build and its FFmpeg libraries"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))
#define MIB (INT64_C(1) << 20)

static const struct command_row *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    }
    return NULL;
}

static int usage(void)
{
    (void)puts(
        "zoe-media [--memory-mib N] [--cpu-s N] [--file-mib N] [--parent PID] COMMAND [options]\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        (void)printf("  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    (void)puts("\nCOMMAND --help shows the options. One line of JSON goes to stdout.");
    return 0;
}

/* Content that is not what it should be is the sender's fault, and a verdict, not a misuse. */
static int fail_with(const struct error *err, json_t *details)
{
    bool verdict = err->code == ERROR_INVALID;
    const char *code = verdict ? "rejected" : error_name(err->code);
    json_t *reply = json_pack("{s:b, s:s, s:s}", "ok", 0, "code", code, "message", err->message);
    if (reply != NULL && details != NULL) (void)json_object_update(reply, details);
    char *line = reply != NULL ? json_line(reply) : NULL;
    (void)printf("%s\n", line != NULL ? line : "{\"ok\":false,\"code\":\"internal\"}");
    (void)fprintf(stderr, "zoe-media: %s\n", err->message);
    free(line);
    json_decref(reply);
    return verdict ? 1 : error_exit_code(err->code);
}

static int fail(const struct error *err)
{
    return fail_with(err, NULL);
}

static int succeed(const json_t *reply)
{
    char *line = json_line(reply);
    ZOE_ASSERT(line != NULL);
    bool written = printf("%s\n", line) > 0 && fflush(stdout) == 0;
    free(line);
    if (written) return 0;
    (void)fprintf(stderr, "zoe-media: the answer could not be written\n");
    return error_exit_code(ERROR_IO);
}

static int run(const struct command_row *row, int argc, char **argv)
{
    struct error err = {.code = ERROR_NONE};
    struct media_call call = {.name = row->name,
                              .words = row->words,
                              .argc = argc,
                              .argv = argv,
                              .reply = json_pack("{s:b}", "ok", 1)};
    ZOE_ASSERT(call.reply != NULL);
    bool ok = row->run(&call, &err);
    int code = 0;
    if (!call.help_shown) code = ok ? succeed(call.reply) : fail_with(&err, call.details);
    json_decref(call.reply);
    json_decref(call.details);
    return code;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_COUNT + 1] = {NULL};
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i].name;
    }
    const char *near = text_nearest(name, names);
    struct error err;
    (void)error_set(&err, ERROR_USAGE, "there is no command %s%s%s", name,
                    near != NULL ? "; did you mean " : "", near != NULL ? near : "");
    return fail(&err);
}

/* The words before the command: how much this process may use. */
static bool take_limits(int argc, char **argv, struct sandbox_limits *out, struct error *err)
{
    int64_t memory_mib = 1024, cpu_s = 3600, file_mib = 16384, parent = 0;
    int words;
    const struct media_option options[] = {
        media_args_int("memory-mib", false, 64, 1 << 20, &memory_mib, "N", "memory"),
        media_args_int("cpu-s", false, 1, 1000000, &cpu_s, "N", "processor seconds"),
        media_args_int("file-mib", false, 1, 1 << 30, &file_mib, "N", "largest file"),
        media_args_int("parent", false, 1, INT32_MAX, &parent, "PID", "ends when that is gone"),
        {.name = NULL},
    };
    if (!media_args_parse(argc, argv, options, &words, err)) return false;
    *out = (struct sandbox_limits){.memory_bytes = (uint64_t)(memory_mib * MIB),
                                   .cpu_s = (uint64_t)cpu_s,
                                   .file_bytes = (uint64_t)(file_mib * MIB),
                                   .parent = parent};
    return true;
}

/* Index of the command's name; limits come before it, each as --name VALUE or --name=VALUE. */
static int command_index(int argc, char **argv)
{
    int i = 1;
    while (i < argc && strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i], "--help") != 0) {
        i += strchr(argv[i], '=') != NULL ? 1 : 2;
    }
    return i < argc ? i : argc;
}

int main(int argc, char **argv)
{
    log_set_name("zoe-media");
    libav_route_log();
    int at = command_index(argc, argv);
    struct sandbox_limits limits;
    struct error err;
    if (!take_limits(at - 1, argv + 1, &limits, &err)) return fail(&err);
    if (!sandbox_enter(&limits, &err)) return fail(&err);
    if (at == argc || strcmp(argv[at], "--help") == 0) return usage();
    const struct command_row *row = find_command(argv[at]);
    if (row == NULL) return unknown_command(argv[at]);
    return run(row, argc - at - 1, argv + at + 1);
}

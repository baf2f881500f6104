/* zoe-coordinator: flags, exit codes, nothing else. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mutation.h"
#include "base/text.h"
#include "coordinator/coordinator.h"
#include "coordinator/upkeep.h"

#define KEEP_MAX_NS (INT64_C(36500) * 24 * 3600 * NS_PER_S)

enum flag {
    FLAG_STATE = 256,
    FLAG_WORKERS,
    FLAG_CLIENTS,
    FLAG_MODELS,
    FLAG_READY_FILE,
    FLAG_JSON,
    FLAG_LEAVE,
    FLAG_KEEP_SEGMENTS,
    FLAG_KEEP,
    FLAG_TRUST,
    FLAG_LOG_LEVEL,
    FLAG_VERSION,
    FLAG_HELP,
};

static const struct option flags[] = {
    {"state", required_argument, NULL, FLAG_STATE},
    {"listen-workers", required_argument, NULL, FLAG_WORKERS},
    {"listen-clients", required_argument, NULL, FLAG_CLIENTS},
    {"models", required_argument, NULL, FLAG_MODELS},
    {"ready-file", required_argument, NULL, FLAG_READY_FILE},
    {"json", no_argument, NULL, FLAG_JSON},
    {"leave-after-idle", required_argument, NULL, FLAG_LEAVE},
    {"keep-segments", no_argument, NULL, FLAG_KEEP_SEGMENTS},
    {"keep", required_argument, NULL, FLAG_KEEP},
    {"trust", required_argument, NULL, FLAG_TRUST},
    {"log-level", required_argument, NULL, FLAG_LOG_LEVEL},
    {"version", no_argument, NULL, FLAG_VERSION},
    {"help", no_argument, NULL, FLAG_HELP},
    {NULL, 0, NULL, 0},
};

static const char help[] =
    "zoe-coordinator --state DIR --listen-workers URL --listen-clients URL [options]\n"
    "zoe-coordinator check|restore|recover --help\n"
    "\n"
    "The heart of a farm: keeps its state, hands out work, collects and publishes results.\n"
    "Prints its public key and both addresses once it can be reached; ends cleanly on SIGTERM.\n"
    "\n"
    "  --state DIR               everything it keeps: farm.db, artifacts, renders, keys\n"
    "  --listen-workers URL      tcp://HOST:PORT; * as the port takes a free one\n"
    "  --listen-clients URL      the same for `zoe`\n"
    "  --models DIR              each sub-folder is a model; may be repeated (default: the\n"
    "                            built-in ones); those in models/ of --state always are\n"
    "  --ready-file FILE         writes what it prints there too\n"
    "  --json                    prints it as one line of JSON\n"
    "  --leave-after-idle S      ends after S seconds without clients and unfinished batches\n"
    "  --keep-segments           keeps the parts of long clips until their batch is removed, not "
    "for\n"
    "                            a day (the latents at their ends: a week)\n"
    "  --keep TIME               removes a batch, files and all, so long after its end (30d; "
    "default:\n"
    "                            never; `zoe batch keep` says it for one)\n"
    "  --trust LEVEL             of workers: full (default); low renders one task of a hundred "
    "once\n"
    "                            more on another worker and compares them; none does so with all\n"
    "  --log-level LEVEL         debug, info, warn or error\n"
    "  --version, --help\n";

static bool add_models(struct coordinator_options *o, const char *folder, struct error *err)
{
    if (o->model_count == COORDINATOR_MODELS_MAX) {
        return error_set(err, ERROR_USAGE, "at most %d times --models", COORDINATOR_MODELS_MAX);
    }
    o->models[o->model_count++] = folder;
    return true;
}

static bool set_leave(struct coordinator_options *o, const char *text, struct error *err)
{
    int64_t seconds = 0;
    if (!text_parse_i64(text, 1, INT64_C(365) * 24 * 3600, &seconds)) {
        return error_set(err, ERROR_USAGE, "--leave-after-idle takes seconds, not %s", text);
    }
    o->leave_after_ns = seconds * NS_PER_S;
    return true;
}

static bool set_keep(struct coordinator_options *o, const char *text, struct error *err)
{
    int64_t ns = 0;
    if (!text_parse_duration(text, KEEP_MAX_NS, &ns) || ns < NS_PER_S) {
        return error_set(err, ERROR_USAGE, "--keep takes a time such as 12h or 30d, not %s", text);
    }
    o->keep_s = ns / NS_PER_S;
    return true;
}

static bool set_trust(struct coordinator_options *o, const char *text, struct error *err)
{
    static const struct {
        const char *name;
        uint32_t compare_one_in;
    } levels[] = {{"full", 0}, {"low", 100}, {"none", 1}};
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].name, text) != 0) continue;
        o->compare_one_in = levels[i].compare_one_in;
        return true;
    }
    return error_set(err, ERROR_USAGE, "--trust is full, low or none, not %s", text);
}

static bool set_level(const char *text, struct error *err)
{
    enum log_level level = LOG_INFO;
    if (!log_level_parse(text, &level)) {
        return error_set(err, ERROR_USAGE, "--log-level is debug, info, warn or error");
    }
    log_set_level(level);
    return true;
}

static bool take_flag(struct coordinator_options *o, int flag, const char *value, struct error *err)
{
    switch (flag) {
    case FLAG_STATE:
        o->state = value;
        return true;
    case FLAG_WORKERS:
        o->listen_workers = value;
        return true;
    case FLAG_CLIENTS:
        o->listen_clients = value;
        return true;
    case FLAG_MODELS:
        return add_models(o, value, err);
    case FLAG_READY_FILE:
        o->ready_file = value;
        return true;
    case FLAG_JSON:
        o->json = true;
        return true;
    case FLAG_KEEP_SEGMENTS:
        o->keep_segments = true;
        return true;
    case FLAG_KEEP:
        return set_keep(o, value, err);
    case FLAG_TRUST:
        return set_trust(o, value, err);
    case FLAG_LEAVE:
        return set_leave(o, value, err);
    case FLAG_LOG_LEVEL:
        return set_level(value, err);
    default:
        return error_set(err, ERROR_USAGE, "see zoe-coordinator --help");
    }
}

/* -1: go on; otherwise the exit code. */
static int parse(struct coordinator_options *o, int argc, char **argv, struct error *err)
{
    int flag = 0;
    while ((flag = getopt_long(argc, argv, "", flags, NULL)) != -1) {
        if (flag == FLAG_HELP || flag == FLAG_VERSION) {
            (void)fputs(flag == FLAG_HELP ? help : "zoe-coordinator " ZOE_VERSION "\n", stdout);
            return 0;
        }
        if (!take_flag(o, flag, optarg, err)) return error_exit_code(err->code);
    }
    if (optind < argc) {
        error_set(err, ERROR_USAGE, "%s is not expected; see --help", argv[optind]);
    } else if (o->state == NULL || o->listen_workers == NULL || o->listen_clients == NULL) {
        error_set(err, ERROR_USAGE,
                  "--state, --listen-workers and --listen-clients are needed; see --help");
    } else {
        return -1;
    }
    return error_exit_code(err->code);
}

/* Each worker and each client is a descriptor: as many as the system allows (LimitNOFILE= of a
 * systemd unit, `ulimit -Hn` of a shell). Nothing here uses select(). */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warn("the limit of open files stays as it is: %s", strerror(errno));
}

static bool run(const struct coordinator_options *options, struct error *err)
{
    struct coordinator *c = coordinator_create(options, err);
    bool ok = c != NULL && coordinator_run(c, err);
    coordinator_destroy(c);
    return ok;
}

int main(int argc, char **argv)
{
    struct coordinator_options options = {0};
    struct error err = {0};
    log_set_name("coordinator");
    mutation_warn();
    if (argc > 1 && argv[1][0] != '-') return upkeep_main(argc - 1, argv + 1);
    int code = parse(&options, argc, argv, &err);
    if (code < 0) {
        (void)signal(SIGPIPE, SIG_IGN);
        raise_descriptors();
        code = run(&options, &err) ? 0 : error_exit_code(err.code);
    }
    if (err.code != ERROR_NONE) (void)fprintf(stderr, "zoe-coordinator: %s\n", err.message);
    if (err.code == ERROR_CORRUPT) upkeep_advise(options.state);
    return code;
}

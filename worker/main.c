/* zoe-worker: flags, state folder, signals. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mutation.h"
#include "base/path.h"
#include "base/text.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "proto/zsock.h"
#include "worker/invite.h"
#include "worker/worker.h"

#define WATCHDOG_S 20

static const char USAGE[] =
    "usage: zoe-worker --connect URL --server-key KEY [OPTION...]\n"
    "       zoe-worker --join TOKEN [OPTION...]\n\n"
    "Renders for a coordinator until it is stopped (SIGTERM drains).\n\n"
    "  --connect URL       where the coordinator listens for workers (tcp://HOST:PORT)\n"
    "  --server-key KEY    the coordinator's public key, 64 hex digits\n"
    "  --join TOKEN        join a farm with the token of `zoe token create` (- = from stdin;\n"
    "                      also ZOE_JOIN, and ZOE_JOIN_FILE for a file with it): it says\n"
    "                      where the coordinator is, which is kept in the state folder\n"
    "  --state DIR         key, outbox and fetched models\n"
    "                      (default ${XDG_STATE_HOME:-~/.local/state}/zoetrope-worker)\n"
    "  --slots N           attempts at a time (default 1)\n"
    "  --threads N         engine threads of a slot (default cores / slots)\n"
    "  --memory SIZE       of all engines together (default all of the machine or the\n"
    "                      container): one that needs more than its share is killed\n"
    "  --grace TIME        after SIGTERM: how long what runs may go on (default 5s)\n"
    "  --checkpoints WORD  on or off: whether half-finished work is saved at the\n"
    "                      coordinator, so that it resumes elsewhere (default on)\n"
    "  --leave-after TIME  end after so long without a coordinator (default 0 = never)\n"
    "  --models DIR        look here for models before fetching one; may be repeated\n"
    "                      (default ../share/zoetrope/models beside the program)\n"
    "  --log-level LEVEL   debug, info, warn or error (default info); --log is the same\n"
    "  --help, --version\n\n"
    "TIME is a number with ms, s, m, h or d; without one it is in seconds.\n"
    "SIZE is a number of bytes, or one with k, m, g or t.\n";

struct flags {
    const char *url;
    const char *server_key;
    char *join; /* a copy */
    char *state;
    int64_t slots;
    int64_t threads;
    int64_t memory_bytes;
    int64_t grace_ns;
    int64_t leave_after_ns;
    bool no_checkpoints;
    const char **models;
    size_t model_count;
};

/* ---- flags ---- */

static bool parse_switch(const char *text, bool *off_out)
{
    *off_out = strcmp(text, "off") == 0;
    return *off_out || strcmp(text, "on") == 0;
}

static bool parse_time(const char *text, int64_t *out_ns)
{
    static const struct {
        const char *unit;
        int64_t ns;
    } units[] = {{"ms", NS_PER_MS},      {"s", NS_PER_S},         {"m", 60 * NS_PER_S},
                 {"h", 3600 * NS_PER_S}, {"d", 86400 * NS_PER_S}, {"", NS_PER_S}};
    size_t digits = strspn(text, "0123456789");
    char number[16];
    int64_t value;
    if (digits >= sizeof number) return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!text_parse_i64(number, 0, LIMIT_GRACE_MS, &value)) return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(text + digits, units[i].unit) != 0) continue;
        if (value > LIMIT_GRACE_MS * NS_PER_MS / units[i].ns) return false;
        *out_ns = value * units[i].ns;
        return true;
    }
    return false;
}

static bool parse_bytes(const char *text, int64_t *out)
{
    static const char units[] = "kmgt";
    size_t digits = strspn(text, "0123456789");
    char number[16];
    int64_t value;
    if (digits >= sizeof number) return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    const char *unit = text[digits] ? strchr(units, text[digits]) : NULL;
    if (text[digits] && (!unit || text[digits + 1])) return false;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (!text_parse_i64(number, 1, INT64_MAX >> shift, &value)) return false;
    *out = value << shift;
    return true;
}

static bool add_models(struct flags *f, const char *folder)
{
    f->models = xrealloc_array(f->models, f->model_count + 1, sizeof(char *));
    f->models[f->model_count++] = folder;
    return true;
}

static bool set_state(struct flags *f, const char *folder)
{
    free(f->state);
    f->state = xstrdup(folder);
    return folder[0] != '\0';
}

/* Others on this machine can read our command line for as long as we run. */
static bool set_join(struct flags *f, char *token)
{
    invite_forget(f->join);
    f->join = invite_take(token);
    return true;
}

static bool set_log(const char *name)
{
    enum log_level level;
    if (!log_level_parse(name, &level)) return false;
    log_set_level(level);
    return true;
}

static bool take_flag(struct flags *f, int c, char *value)
{
    switch (c) {
    case 'c':
        f->url = value;
        return true;
    case 'k':
        f->server_key = value;
        return true;
    case 'j':
        return set_join(f, value);
    case 's':
        return set_state(f, value);
    case 'n':
        return text_parse_i64(value, 1, LIMIT_SLOTS, &f->slots);
    case 't':
        return text_parse_i64(value, 1, 1024, &f->threads);
    case 'b':
        return parse_bytes(value, &f->memory_bytes);
    case 'g':
        return parse_time(value, &f->grace_ns);
    case 'p':
        return parse_switch(value, &f->no_checkpoints);
    case 'l':
        return parse_time(value, &f->leave_after_ns);
    case 'm':
        return add_models(f, value);
    default:
        return set_log(value);
    }
}

static const struct option LONG[] = {
    {"connect", required_argument, NULL, 'c'},     {"server-key", required_argument, NULL, 'k'},
    {"state", required_argument, NULL, 's'},       {"slots", required_argument, NULL, 'n'},
    {"threads", required_argument, NULL, 't'},     {"memory", required_argument, NULL, 'b'},
    {"grace", required_argument, NULL, 'g'},       {"checkpoints", required_argument, NULL, 'p'},
    {"leave-after", required_argument, NULL, 'l'}, {"models", required_argument, NULL, 'm'},
    {"join", required_argument, NULL, 'j'},        {"log-level", required_argument, NULL, 'd'},
    {"log", required_argument, NULL, 'd'},         {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},           {0}};

/* -1 = go on, otherwise the exit code. */
static int parse_flags(struct flags *f, int argc, char **argv)
{
    int c, at = 0;
    const int usage = error_exit_code(ERROR_USAGE);
    while ((c = getopt_long(argc, argv, "h", LONG, &at)) != -1) {
        if (c == 'h') return fputs(USAGE, stdout) < 0;
        if (c == 'v') return puts("zoe-worker " ZOE_VERSION) < 0;
        if (c == '?') return usage;
        if (take_flag(f, c, optarg)) continue;
        fprintf(stderr, "zoe-worker: --%s: \"%s\" will not do; see --help\n", LONG[at].name,
                optarg);
        return usage;
    }
    if (optind == argc && !f->url == !f->server_key && !(f->url && f->join)) return -1;
    fputs("zoe-worker: --connect and --server-key are needed, or --join; see --help\n", stderr);
    return usage;
}

/* ---- run ---- */

struct signals {
    int64_t grace_ns;
    uv_signal_t term;
    uv_signal_t interrupt;
    struct worker *worker;
};

/* Whatever the loop waits for then: the grace is what was promised to whoever stops us. */
static void on_signal(uv_signal_t *handle, int number)
{
    struct signals *s = handle->data;
    (void)number;
    (void)alarm((unsigned)(s->grace_ns / NS_PER_S) + WATCHDOG_S);
    s->grace_ns = 0; /* a second signal does not wait for it */
    worker_stop(s->worker);
}

/* Signals alone do not keep the loop going: it ends when the worker has closed everything. */
static void watch_signals(struct signals *s, uv_loop_t *loop, struct worker *worker)
{
    s->worker = worker;
    (void)uv_signal_init(loop, &s->term);
    (void)uv_signal_init(loop, &s->interrupt);
    s->term.data = s->interrupt.data = s;
    (void)uv_signal_start(&s->term, on_signal, SIGTERM);
    (void)uv_signal_start(&s->interrupt, on_signal, SIGINT);
    uv_unref((uv_handle_t *)&s->term);
    uv_unref((uv_handle_t *)&s->interrupt);
}

static int run_loop(struct worker_options *options, struct error *err)
{
    uv_loop_t loop;
    struct signals signals = {.grace_ns = options->grace_ns};
    ZOE_ASSERT(uv_loop_init(&loop) == 0);
    struct worker *worker = worker_create(&loop, options, err);
    int code = error_exit_code(err->code);
    if (worker) {
        watch_signals(&signals, &loop, worker);
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        (void)alarm(WATCHDOG_S); /* what follows waits for the network at most a second */
        code = worker_finish(worker);
        uv_close((uv_handle_t *)&signals.term, NULL);
        uv_close((uv_handle_t *)&signals.interrupt, NULL);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0) log_debug("a handle was left open");
    return code;
}

static void log_key(const struct key_pair *keys)
{
    char text[KEY_TEXT_SIZE];
    keys_text(keys->public_key, text);
    log_info("public key: %s", text);
}

static int run_with_keys(const struct flags *f, const struct invite *invite, struct key_pair *keys,
                         struct error *err)
{
    char *bin = path_own_folder();
    char *engine = path_join(bin, "zoe-engine"), *media = path_join(bin, "zoe-media");
    char *shipped = xasprintf("%s/../share/zoetrope/models", bin);
    const char *defaults[] = {shipped};
    struct worker_options options = {.url = invite->url,
                                     .state_folder = f->state,
                                     .keys = keys,
                                     .engine = engine,
                                     .media = media,
                                     .slots = (int)f->slots,
                                     .threads = (int)f->threads,
                                     .memory_bytes = (uint64_t)f->memory_bytes,
                                     .grace_ns = f->grace_ns,
                                     .leave_after_ns = f->leave_after_ns,
                                     .no_checkpoints = f->no_checkpoints,
                                     .model_folders = f->models ? f->models : defaults,
                                     .model_folder_count = f->models ? f->model_count : 1};
    int code = error_exit_code(ERROR_USAGE);
    memcpy(options.server_key, invite->server_key, KEY_BYTES);
    if ((options.zmq_context = zsock_context_create(err)) != NULL) {
        code = run_loop(&options, err);
        zsock_context_destroy(options.zmq_context);
    }
    free(shipped);
    free(engine);
    free(media);
    free(bin);
    return code;
}

static bool from_flags(const struct flags *f, struct invite *out, struct error *err)
{
    *out = (struct invite){0};
    if (!keys_parse(f->server_key, out->server_key, "--server-key", err)) return false;
    out->url = xstrdup(f->url);
    return true;
}

static bool recall(const char *state, struct invite *out, struct error *err)
{
    if (invite_recall(state, out, err)) return true;
    if (err->code != ERROR_NOT_FOUND) return false;
    return error_set(err, ERROR_USAGE,
                     "which coordinator? give --join TOKEN (or ZOE_JOIN), or --connect and "
                     "--server-key; see --help");
}

/* A token given anew is used even where one was used before: the key may have been revoked since.
 */
static bool find_coordinator(struct flags *f, const struct key_pair *keys, struct invite *out,
                             struct error *err)
{
    char *token = NULL;
    bool ok = invite_token(f->join, &token, err);
    if (ok && f->url)
        ok = from_flags(f, out, err);
    else if (ok && token)
        ok = invite_accept(f->state, token, keys, out, err);
    else if (ok)
        ok = recall(f->state, out, err);
    invite_forget(token);
    invite_forget(f->join);
    f->join = NULL;
    return ok;
}

static int run_in_state(struct flags *f, struct error *err)
{
    struct key_pair keys;
    int code = 1;
    char *lock_path = path_join(f->state, "worker.lock");
    char *key_path = path_join(f->state, "worker.key");
    int lock = path_make_folders(f->state, 0700, err) ? path_lock(lock_path, err) : -1;
    if (lock >= 0 && keys_load_or_create(key_path, &keys, NULL, err)) {
        struct invite invite = {0};
        log_key(&keys);
        if (find_coordinator(f, &keys, &invite, err)) code = run_with_keys(f, &invite, &keys, err);
        invite_finish(&invite);
        keys_wipe(&keys);
    }
    if (lock >= 0) (void)close(lock);
    free(lock_path);
    free(key_path);
    return code;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct flags f = {.slots = 1, .grace_ns = DRAIN_GRACE_MS * NS_PER_MS};
    log_set_name("zoe-worker");
    mutation_warn();
    (void)signal(SIGPIPE, SIG_IGN);
    int code = parse_flags(&f, argc, argv);
    if (code < 0) {
        if (!f.state) f.state = path_user_state("zoetrope-worker", &err);
        code = f.state ? run_in_state(&f, &err) : 1;
        if (err.code != ERROR_NONE) {
            log_error("%s", err.message);
            code = error_exit_code(err.code);
        }
    }
    invite_forget(f.join);
    free(f.models);
    free(f.state);
    return code;
}

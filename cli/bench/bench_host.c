#define _GNU_SOURCE /* sched_setaffinity */
#include "cli/bench/bench_host.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/json.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/bench/hand.h"
#include "cli/child_output.h"
#include "cli/client.h"

#define READY_LIMIT_NS (120 * NS_PER_S)
#define CANARY_LIMIT_BYTES 65536
#define ANSWER_LIMIT_BYTES 65536
#define SUBMIT_LIMIT_NS (120 * NS_PER_S)

/* ---- processors ---- */

/* Of the two sides one has `cpu` for itself; with a single processor they share it. */
static void choose_cpus(int cpu, bool mine)
{
    cpu_set_t all, set;
    CPU_ZERO(&set);
    if (cpu < 0 || sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2) return;
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &all) && ((int)i == cpu) == mine) CPU_SET(i, &set);
    (void)sched_setaffinity(0, sizeof set, &set);
}

/* ---- the coordinator ---- */

static void run_coordinator(const struct bench_host *h, int out)
{
    char *bin = path_own_folder(), *program = path_join(bin, "zoe-coordinator");
    char *state = path_join(h->folder, "state"), *log = path_join(h->folder, "log");
    const int err = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    choose_cpus(h->cpu, true);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    execl(program, "zoe-coordinator", "--state", state, "--listen-workers",
          h->workers_url ? h->workers_url : "tcp://127.0.0.1:*", "--listen-clients",
          h->clients_url ? h->clients_url : "tcp://127.0.0.1:*", "--json", (char *)NULL);
    _exit(127);
}

static bool read_ready(struct bench_host *h, int in, struct error *err)
{
    char line[4096];
    const char *key, *workers, *clients;
    FILE *file = fdopen(in, "r");
    const bool said = file && fgets(line, sizeof line, file);
    if (file) (void)fclose(file);
    if (!said)
        return error_set(err, ERROR_UNREACHABLE, "the coordinator did not start: see %s/log",
                         h->folder);
    json_t *o = json_parse(line, strlen(line), "the coordinator's first line", err);
    bool ok = o && json_get_text(o, "public_key", &key, "it", err) &&
              json_get_text(o, "workers", &workers, "it", err) &&
              json_get_text(o, "clients", &clients, "it", err) &&
              keys_parse(key, h->server_key, "it", err);
    if (ok && h->workers_url == NULL) {
        h->workers_url = xstrdup(workers);
        h->clients_url = xstrdup(clients);
    }
    json_decref(o);
    return ok;
}

bool bench_host_start(struct bench_host *h, struct error *err)
{
    int ends[2];
    if (pipe(ends) != 0) return error_set_errno(err, errno, "pipe");
    h->pid = fork();
    if (h->pid == 0) {
        (void)close(ends[0]);
        run_coordinator(h, ends[1]);
    }
    (void)close(ends[1]);
    if (h->pid > 0) return read_ready(h, ends[0], err);
    (void)close(ends[0]);
    return error_set_errno(err, errno, "fork");
}

void bench_host_end(struct bench_host *h, int number)
{
    int status;
    if (h->pid <= 0) return;
    (void)kill(h->pid, number);
    while (waitpid(h->pid, &status, 0) < 0 && errno == EINTR) {
    }
    h->pid = 0;
}

bool bench_host_connect(struct bench_host *h, struct error *err)
{
    struct key_pair keys;
    char *path = path_join(h->folder, "state/keys/admin.key");
    struct zclient_options o = {
        .url = h->clients_url, .keys = &keys, .timeout_ns = 30 * NS_PER_S, .build = "zoe bench"};
    memcpy(o.server_key, h->server_key, KEY_BYTES);
    if (h->admin) zclient_close(h->admin);
    h->admin = keys_load(path, &keys, err) ? zclient_open(&o, err) : NULL;
    keys_wipe(&keys);
    free(path);
    return h->admin != NULL;
}

static bool read_canary(struct bench_host *h, struct error *err)
{
    char *bin = path_own_folder();
    char *path = path_join(bin, "../share/zoetrope/models/pattern/canary.json");
    json_t *file = json_parse_file(path, CANARY_LIMIT_BYTES, err);
    const char *hex =
        json_string_value(json_object_get(json_object_get(file, "frames_sha256"), "*"));
    bool ok = hex && digest_parse(hex, &h->canary);
    if (file && !ok) error_set(err, ERROR_INVALID, "%s holds no answer", path);
    json_decref(file);
    free(path);
    free(bin);
    return ok;
}

bool bench_host_open(struct bench_host *h, const char *parent, struct error *err)
{
    *h = (struct bench_host){.cpu = 0};
    char *folder = xasprintf("%s/zoe-bench-XXXXXX", parent ? parent : "/tmp");
    if (mkdtemp(folder) == NULL) {
        error_set_errno(err, errno, "%s", folder);
        free(folder);
        return false;
    }
    h->folder = folder;
    id_random(h->seed, sizeof h->seed);
    return read_canary(h, err) && bench_host_start(h, err) && bench_host_connect(h, err);
}

void bench_host_close(struct bench_host *h)
{
    if (h->admin) zclient_close(h->admin);
    bench_host_end(h, SIGTERM);
    if (h->folder) (void)path_remove_tree(h->folder, NULL);
    free(h->folder);
    free(h->workers_url);
    free(h->clients_url);
    *h = (struct bench_host){.pid = 0};
}

bool bench_host_allow(struct bench_host *h, uint32_t first, uint32_t count, struct error *err)
{
    bool ok = true;
    for (uint32_t i = first; ok && i < first + count; i++) {
        struct key_pair keys;
        char name[HAND_NAME_SIZE];
        bool existed;
        hand_key(h->seed, i, &keys);
        hand_name(i, name);
        ok = client_allow_key(h->admin, keys.public_key, "worker", name, &existed, err);
        keys_wipe(&keys);
    }
    return ok;
}

bool bench_host_submit(struct bench_host *h, const struct bench_batch *b, double *seconds_out,
                       struct error *err)
{
    char format[] = "text", key[64], *options = xstrdup(b->options);
    struct buf text = BUF_INIT;
    for (uint32_t i = 0; i < b->prompts; i++)
        buf_printf(&text, "%s number %u of a long list of things to see\n", b->what, (unsigned)i);
    const struct digest digest = digest_of(text.data, text.size);
    Farm__SubmitOpen open = FARM__SUBMIT_OPEN__INIT;
    (void)snprintf(key, sizeof key, "bench %s", b->what);
    open.key = open.name = key;
    open.sha256 = codec_digest(&digest);
    open.size_bytes = text.size;
    open.format = format;
    open.options = options;
    open.priority = b->priority;
    const int64_t start_ns = clock_now_ns();
    struct message *m = zclient_submit(h->admin, &open, (struct bytes){text.data, text.size},
                                       SUBMIT_LIMIT_NS, NULL, NULL, NULL, err);
    if (seconds_out) *seconds_out = (double)(clock_now_ns() - start_ns) / NS_PER_S;
    const bool ok =
        m != NULL && (m->envelope->accepted->clips == (uint64_t)b->prompts * b->seeds ||
                      error_set(err, ERROR_FAILED, "another number of clips was accepted"));
    message_free(m);
    buf_finish(&text);
    free(options);
    return ok;
}

/* ---- what it costs ---- */

static char *read_proc(const struct bench_host *h, const char *name)
{
    struct buf text = BUF_INIT;
    char *path = xasprintf("/proc/%d/%s", (int)h->pid, name);
    FILE *file = fopen(path, "r");
    char chunk[4096];
    size_t n;
    while (file && (n = fread(chunk, 1, sizeof chunk, file)) > 0)
        buf_append(&text, chunk, n);
    if (file) (void)fclose(file);
    buf_append_char(&text, '\0');
    free(path);
    return (char *)text.data;
}

uint64_t bench_host_memory(const struct bench_host *h)
{
    char *status = read_proc(h, "status");
    const char *line = strstr(status, "RssAnon:");
    const unsigned long long kib = line ? strtoull(line + strlen("RssAnon:"), NULL, 10) : 0;
    free(status);
    return (uint64_t)kib * 1024;
}

double bench_host_cpu_seconds(const struct bench_host *h)
{
    char *stat = read_proc(h, "stat");
    const char *rest = strrchr(stat, ')');
    unsigned long long user = 0, system = 0;
    if (rest)
        (void)sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
                     &system);
    free(stat);
    return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static uint64_t size_of(const struct bench_host *h, const char *name)
{
    struct stat info;
    char *path = path_join(h->folder, name);
    const uint64_t size = stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    free(path);
    return size;
}

uint64_t bench_host_database(const struct bench_host *h)
{
    return size_of(h, "state/farm.db");
}

void bench_host_sample(struct bench_host *h)
{
    const uint64_t wal = size_of(h, "state/farm.db-wal");
    if (wal > h->wal_peak_bytes) h->wal_peak_bytes = wal;
}

uint32_t bench_host_descriptors(const struct bench_host *h)
{
    char **names = NULL;
    size_t count = 0;
    char *path = xasprintf("/proc/%d/fd", (int)h->pid);
    if (path_list(path, &names, &count, NULL)) path_list_free(names, count);
    free(path);
    return (uint32_t)count;
}

struct message *bench_host_status(struct bench_host *h, struct error *err)
{
    Farm__StatusWanted body = FARM__STATUS_WANTED__INIT;
    Farm__Envelope request = FARM__ENVELOPE__INIT;
    request.body_case = FARM__ENVELOPE__BODY_STATUS_WANTED;
    request.status_wanted = &body;
    return client_ask(h->admin, &request, FARM__ENVELOPE__BODY_STATUS, err);
}

/* ---- fleets ---- */

/* What `zoe bench fleet` reads. Caller frees. */
static char *fleet_text(const struct bench_host *h, const struct bench_load *load)
{
    char key[KEY_TEXT_SIZE], seed[KEY_TEXT_SIZE], canary[DIGEST_TEXT_SIZE];
    keys_text(h->server_key, key);
    keys_text(h->seed, seed);
    digest_text(&h->canary, canary);
    json_t *o =
        json_pack("{ss ss ss ss sI sI sI sf sf sf sI}", "url", h->workers_url, "server_key", key,
                  "seed", seed, "canary", canary, "first", (json_int_t)load->first, "workers",
                  (json_int_t)load->workers, "slots", (json_int_t)load->slots, "rate", load->rate,
                  "run_s", load->run_s, "warm_s", load->warm_s, "report_bytes",
                  (json_int_t)(load->report_bytes ? load->report_bytes : BENCH_REPORT_BYTES));
    char *text = json_line(o);
    json_decref(o);
    return text;
}

bool bench_fleet_start(struct bench_fleet *f, const struct bench_host *h,
                       const struct bench_load *load, struct error *err)
{
    int ends[2];
    char *text = fleet_text(h, load);
    *f = (struct bench_fleet){.out = -1};
    bool ok = pipe(ends) == 0 || error_set_errno(err, errno, "pipe");
    if (ok) f->pid = fork();
    if (ok && f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        choose_cpus(h->cpu, false);
        (void)close(ends[0]);
        (void)dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "zoe", "bench", "fleet", text, (char *)NULL);
        _exit(127);
    }
    free(text);
    if (!ok) return false;
    (void)close(ends[1]);
    f->out = ends[0];
    return f->pid > 0 || error_set_errno(err, errno, "fork");
}

json_t *bench_fleet_end(struct bench_fleet *f, bool now, struct error *err)
{
    struct buf text = BUF_INIT;
    int status = 0;
    if (f->pid <= 0) return NULL;
    if (now) (void)kill(f->pid, SIGTERM);
    child_output_read(f->out, ANSWER_LIMIT_BYTES, &text);
    (void)close(f->out);
    while (waitpid(f->pid, &status, 0) < 0 && errno == EINTR) {
    }
    json_t *result =
        text.size ? json_parse((const char *)text.data, text.size, "a fleet", err) : NULL;
    if (!result && text.size == 0)
        error_set(err, ERROR_FAILED, "the simulated workers ended without a result");
    buf_finish(&text);
    *f = (struct bench_fleet){.out = -1};
    return result;
}

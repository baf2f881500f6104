#include "cli/bench/bench_soak.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "cli/bench/bench_host.h"
#include "cli/bench/samples.h"
#include "cli/client.h"

#define FLEET_WORKERS 8
#define FLEET_SLOTS 4
#define REAL_WORKERS 2
#define LOOK_S 10 /* between two samples */
#define MIB (1024.0 * 1024.0)
/* Growth that is noise: of pages that an allocator takes and gives. */
#define MEMORY_NOISE_MIB 4.0
#define DESCRIPTOR_NOISE 4.0
#define WAL_MIB 64.0

struct soak {
    const struct soak_options *options;
    struct bench_host host;
    struct bench_fleet fleet;
    pid_t workers[REAL_WORKERS];
    struct samples memory, descriptors, wal;
    uint64_t clips;   /* asked for */
    uint32_t batches; /* of clips */
    struct error *err;
};

/* ---- the load ---- */

/* Enough for the whole time. */
static bool submit_reports(struct soak *s)
{
    const double tasks = s->options->rate * s->options->minutes * 60 * 1.2 + 1000;
    const struct bench_batch batch = {.what = "report",
                                      .prompts = (uint32_t)(tasks / BENCH_SEEDS) + 1,
                                      .seeds = BENCH_SEEDS,
                                      .options = BENCH_REPORTS};
    return bench_host_submit(&s->host, &batch, NULL, s->err);
}

/* Of another size than the reports: the simulated workers refuse it once, for want of memory. */
static bool submit_clips(struct soak *s)
{
    char what[32];
    const uint32_t count = (uint32_t)(s->options->clip_rate * LOOK_S + 0.5);
    (void)snprintf(what, sizeof what, "clips %u", (unsigned)s->batches++);
    const struct bench_batch batch = {
        .what = what,
        .prompts = count,
        .seeds = 1,
        .options = "{\"model\":\"pattern\",\"num_frames\":8,\"num_inference_steps\":4,"
                   "\"width\":64,\"height\":64}",
        .priority = 10};
    s->clips += count;
    return count == 0 || bench_host_submit(&s->host, &batch, NULL, s->err);
}

static bool start_worker(struct soak *s, int index)
{
    char name[32], hex[KEY_TEXT_SIZE];
    struct key_pair keys;
    bool existed;
    (void)snprintf(name, sizeof name, "real-%d", index);
    char *state = path_join(s->host.folder, name), *key = path_join(state, "worker.key");
    keys_generate(&keys);
    bool ok = path_make_folders(state, 0700, s->err) && keys_save(key, &keys, s->err) &&
              client_allow_key(s->host.admin, keys.public_key, "worker", name, &existed, s->err);
    keys_wipe(&keys);
    keys_text(s->host.server_key, hex);
    char *bin = path_own_folder(), *program = path_join(bin, "zoe-worker");
    if (ok) s->workers[index] = fork();
    if (ok && s->workers[index] == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)freopen("/dev/null", "w", stdout);
        (void)freopen("/dev/null", "w", stderr);
        execl(program, "zoe-worker", "--connect", s->host.workers_url, "--server-key", hex,
              "--state", state, (char *)NULL);
        _exit(127);
    }
    free(program);
    free(bin);
    free(key);
    free(state);
    return ok;
}

static bool start_load(struct soak *s)
{
    bool ok = bench_host_allow(&s->host, 0, FLEET_WORKERS, s->err) && submit_reports(s);
    for (int i = 0; ok && i < REAL_WORKERS; i++)
        ok = start_worker(s, i);
    const struct bench_load load = {
        .workers = FLEET_WORKERS, .slots = FLEET_SLOTS, .rate = s->options->rate, .warm_s = 1};
    return ok && bench_fleet_start(&s->fleet, &s->host, &load, s->err);
}

static void stop_load(struct soak *s)
{
    for (int i = 0; i < REAL_WORKERS; i++) {
        if (s->workers[i] <= 0) continue;
        (void)kill(s->workers[i], SIGTERM);
        (void)waitpid(s->workers[i], NULL, 0);
    }
}

/* ---- looking ---- */

static void look(struct soak *s)
{
    s->host.wal_peak_bytes = 0;
    bench_host_sample(&s->host);
    samples_add(&s->memory, (double)bench_host_memory(&s->host) / MIB);
    samples_add(&s->descriptors, bench_host_descriptors(&s->host));
    samples_add(&s->wal, (double)s->host.wal_peak_bytes / MIB);
    if (s->options->quiet) return;
    const size_t last = s->memory.count - 1;
    (void)fprintf(stderr,
                  "%4zu s: %.1f MiB, %.0f descriptors, log %.1f MiB, %llu clips asked for\n",
                  s->memory.count * LOOK_S, s->memory.items[last], s->descriptors.items[last],
                  s->wal.items[last], (unsigned long long)s->clips);
}

static void wait_until(int64_t due_ns)
{
    const int64_t left_ns = due_ns - clock_now_ns();
    const struct timespec time = {.tv_sec = left_ns / NS_PER_S,
                                  .tv_nsec = (long)(left_ns % NS_PER_S)};
    if (left_ns > 0) (void)nanosleep(&time, NULL);
}

static bool run(struct soak *s)
{
    const int64_t start_ns = clock_now_ns();
    const int64_t looks = (int64_t)(s->options->minutes * 60 / LOOK_S + 0.5);
    bool ok = true;
    for (int64_t i = 1; ok && i <= looks && !client_interrupted(); i++) {
        ok = submit_clips(s);
        wait_until(start_ns + i * LOOK_S * NS_PER_S);
        look(s);
    }
    return ok;
}

/* ---- the report ---- */

/* What is gained in an hour, by least squares after the first quarter. */
static json_t *about(const struct samples *v)
{
    const double an_hour = samples_slope(v, v->count / 4) * 3600 / LOOK_S;
    return json_pack("{sf sf sf sf}", "first", v->items[0], "last", v->items[v->count - 1], "most",
                     samples_max(v), "growth_an_hour", an_hour);
}

static bool is_flat(const struct samples *v, double noise)
{
    const double seen = samples_slope(v, v->count / 4) * (double)(v->count - v->count / 4);
    return seen < noise;
}

static json_t *report(struct soak *s, const json_t *fleet, const Farm__Status *status)
{
    const bool ok = is_flat(&s->memory, MEMORY_NOISE_MIB) &&
                    is_flat(&s->descriptors, DESCRIPTOR_NOISE) && samples_max(&s->wal) < WAL_MIB;
    return json_pack(
        "{sf sI sf sI sI sI sI so so so sb}", "minutes", (double)s->memory.count * LOOK_S / 60,
        "reports", json_integer_value(json_object_get(fleet, "stored")), "reports_a_second",
        json_number_value(json_object_get(fleet, "stored_a_second")), "clips_asked_for",
        (json_int_t)s->clips, "published", (json_int_t)status->clips->published, "failed",
        (json_int_t)status->clips->failed, "attempts_lost", (json_int_t)status->attempts_lost,
        "memory_mib", about(&s->memory), "descriptors", about(&s->descriptors), "wal_mib",
        about(&s->wal), "flat", ok);
}

static json_t *finish(struct soak *s)
{
    struct message *status = bench_host_status(&s->host, s->err);
    json_t *fleet = bench_fleet_end(&s->fleet, true, s->err);
    json_t *result = status != NULL && fleet != NULL && s->memory.count > 0
                         ? report(s, fleet, status->envelope->status)
                         : NULL;
    message_free(status);
    json_decref(fleet);
    return result;
}

json_t *bench_soak_run(const struct soak_options *options, struct error *err)
{
    struct soak s = {.options = options, .fleet = {.out = -1}, .err = err};
    json_t *result = NULL;
    if (bench_host_open(&s.host, options->folder, err) && start_load(&s) && run(&s))
        result = finish(&s);
    stop_load(&s);
    bench_host_close(&s.host);
    samples_finish(&s.memory);
    samples_finish(&s.descriptors);
    samples_finish(&s.wal);
    return result;
}

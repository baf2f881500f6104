/* Making, starting and ending the parts, in order. */
#include "coordinator/coordinator.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "coordinator/backup.h"
#include "coordinator/checkpoint_uploads.h"
#include "coordinator/checks.h"
#include "coordinator/client_requests.h"
#include "coordinator/dispatch.h"
#include "coordinator/intake.h"
#include "coordinator/joining.h"
#include "coordinator/loading.h"
#include "coordinator/publisher.h"
#include "coordinator/ready.h"
#include "coordinator/shell.h"
#include "coordinator/turn.h"
#include "coordinator/upkeep.h"
#include "coordinator/uploads.h"

#define PROMPTS_BUDGET_BYTES ((size_t)8 * 1024 * 1024)
#define DESCRIBE_LIMIT_MS (60 * 1000)
#define STOP_LIMIT_MS 2000
#define DOMAIN_WORKERS "workers"
#define DOMAIN_CLIENTS "clients"
#define CANARY_MODEL "pattern"

/* ---- what every part of the shell uses
 * -------------------------------------------------------------- */

int64_t shell_now(struct coordinator *c)
{
    if (c->now_ns == 0) c->now_ns = clock_now_ns();
    return c->now_ns;
}

void shell_stir(struct coordinator *c)
{
    c->stirred = true;
    c->only_asked = false;
}

bool shell_is_well(const struct coordinator *c, struct error *err)
{
    if (!c->unwell) return true;
    return error_set(err, c->unwell_why.code, "nothing can be stored at present: %s",
                     c->unwell_why.message);
}

void shell_note_event(struct coordinator *c, const char *batch)
{
    struct batch_brief info;
    if (c->feed.count == 0) return;
    const bool is_known = c->farm != NULL && farm_batch_brief(c->farm, batch, &info);
    feed_note(&c->feed, batch, is_known ? info.owner : "");
}

void shell_event(struct coordinator *c, const struct event_record *event)
{
    (void)store_event_add(c->store, event);
    shell_note_event(c, event->batch);
    shell_stir(c);
}

void shell_key_event(struct coordinator *c, const char *kind, const char *worker,
                     const char *message)
{
    struct event_record event = {
        .kind = kind, .batch = "", .worker = worker, .message = message, .at_ms = clock_wall_ms()};
    shell_event(c, &event);
    log_info("%s", message);
}

/* ---- ending
 * --------------------------------------------------------------------------------------------- */

static void on_watchdog(uv_timer_t *timer)
{
    struct coordinator *c = timer->data;
    log_warn("work in the background does not end: leaving without it");
    store_close(c->store);
    _exit(c->exit_code);
}

static void close_handles(struct coordinator *c)
{
    if (!c->handles_open) return;
    c->handles_open = false;
    uv_close((uv_handle_t *)&c->end_of_turn, NULL);
    uv_close((uv_handle_t *)&c->wake, NULL);
    for (size_t i = 0; i < sizeof(c->signals) / sizeof(c->signals[0]); i++) {
        uv_close((uv_handle_t *)&c->signals[i], NULL);
    }
    if (uv_timer_start(&c->watchdog, on_watchdog, STOP_LIMIT_MS, 0) == 0) {
        uv_unref((uv_handle_t *)&c->watchdog);
    }
}

static void close_sockets(struct coordinator *c)
{
    if (c->workers != NULL) zsock_close(c->workers, NULL, NULL);
    if (c->clients != NULL) zsock_close(c->clients, NULL, NULL);
    if (c->zap != NULL) zap_close(c->zap, NULL, NULL);
    c->workers = NULL;
    c->clients = NULL;
    c->zap = NULL;
}

/* Whatever is in the loop ends; what was not finished is found again at the next start. */
static void close_parts(struct coordinator *c)
{
    if (c->closed) return;
    c->closed = true;
    ready_unsay(c);
    close_handles(c);
    close_sockets(c);
    backup_finish(c);
    intake_destroy(c->intake);
    checks_destroy(c->checks);
    input_doubts_cancel(&c->doubts);
    publisher_destroy(c->publisher);
    uploads_destroy(c->uploads);
    checkpoint_uploads_destroy(c->checkpoints);
    client_requests_finish(c);
    if (c->media != NULL) media_children_destroy(c->media);
    if (c->models != NULL) models_destroy(c->models);
    if (c->artifacts != NULL) artifacts_close(c->artifacts);
    c->intake = NULL;
    c->checks = NULL;
    c->publisher = NULL;
    c->uploads = NULL;
    c->checkpoints = NULL;
    c->media = NULL;
    c->models = NULL;
    c->artifacts = NULL;
}

void shell_stop(struct coordinator *c, const struct error *err)
{
    if (c->stopping) return;
    c->stopping = true;
    if (err != NULL) {
        c->exit_error = *err;
        c->exit_code = error_exit_code(err->code);
    }
    shell_stir(c);
}

/* ---- the loop's own handles
 * ----------------------------------------------------------------------------- */

/* Nothing is closed in the middle of a turn's work. */
static void on_end_of_turn(uv_prepare_t *handle)
{
    struct coordinator *c = handle->data;
    turn_end(c);
    if (c->stopping) close_parts(c);
}

static void on_signal(uv_signal_t *handle, int number)
{
    log_info("signal %d: stopping", number);
    shell_stop(handle->data, NULL);
}

static bool open_handles(struct coordinator *c, struct error *err)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    if (uv_loop_init(&c->loop) != 0) return error_set(err, ERROR_IO, "no event loop");
    c->loop_open = true;
    (void)uv_prepare_init(&c->loop, &c->end_of_turn);
    (void)uv_timer_init(&c->loop, &c->wake);
    (void)uv_timer_init(&c->loop, &c->watchdog);
    c->end_of_turn.data = c->wake.data = c->watchdog.data = c;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        (void)uv_signal_init(&c->loop, &c->signals[i]);
        c->signals[i].data = c;
    }
    c->handles_open = true;
    (void)uv_prepare_start(&c->end_of_turn, on_end_of_turn);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (uv_signal_start(&c->signals[i], on_signal, numbers[i]) != 0) {
            return error_set(err, ERROR_IO, "signals cannot be watched");
        }
    }
    return true;
}

/* ---- the state folder
 * ------------------------------------------------------------------------------------- */

static bool open_folder(struct coordinator *c, struct error *err)
{
    static const char *const folders[] = {"keys",     "renders",   "prompts",
                                          "incoming", "artifacts", "models"};
    if (!path_make_folders(c->options.state, 0700, err)) return false;
    c->state = realpath(c->options.state, NULL);
    if (c->state == NULL) return error_set_errno(err, errno, "cannot open %s", c->options.state);
    char *lock = path_join(c->state, "coordinator.lock");
    c->lock_fd = path_lock(lock, err);
    free(lock);
    if (c->lock_fd < 0) {
        return error_wrap(err, "another coordinator has the state folder %s", c->state);
    }
    ready_unsay(c); /* that of one which was killed */
    bool ok = true;
    for (size_t i = 0; ok && i < sizeof(folders) / sizeof(folders[0]); i++) {
        char *path = path_join(c->state, folders[i]);
        ok = path_make_folders(path, 0700, err);
        free(path);
    }
    c->renders = path_join(c->state, "renders");
    return ok;
}

static bool load_key(struct coordinator *c, const char *name, struct key_pair *out, bool *created,
                     struct error *err)
{
    char *path = xasprintf("%s/keys/%s", c->state, name);
    bool ok = keys_load_or_create(path, out, created, err);
    free(path);
    return ok;
}

/* The first start's admin key is allowed; later ones only as the rows say. */
static bool open_keys(struct coordinator *c, struct error *err)
{
    struct key_pair admin;
    bool created = false;
    if (!load_key(c, "server.key", &c->server_key, NULL, err)) return false;
    if (!load_key(c, "admin.key", &admin, &created, err)) return false;
    bool ok = keyring_load(&c->keyring, c->store, err) && tokens_load(&c->tokens, c->store, err) &&
              owners_load(&c->owners, c->store, err);
    if (ok && (created || c->keyring.entries.count == 0)) {
        struct store_key row = {.role = "admin", .name = "admin", .allowed_ms = clock_wall_ms()};
        memcpy(row.key, admin.public_key, KEY_BYTES);
        store_key_allow(c->store, &row);
        ok = store_commit(c->store, err);
        if (ok) keyring_put(&c->keyring, &row);
    }
    keys_wipe(&admin);
    return ok;
}

static bool open_store(struct coordinator *c, struct error *err)
{
    if (!upkeep_may_start(c->state, err)) return false;
    char *path = path_join(c->state, "farm.db");
    c->store = store_open(path, NULL, err);
    free(path);
    if (c->store == NULL) return false;
    c->late_check = !store_was_clean(c->store);
    return true;
}

static void open_models(struct coordinator *c)
{
    char *bin = path_own_folder();
    char *own = path_join(c->state, "models");
    char *beside = xasprintf("%s/../share/zoetrope/models", bin), *real = realpath(beside, NULL);
    char *built_in = real ? real : beside;
    char *engine = path_join(bin, "zoe-engine");
    char *cache = path_join(c->state, "models.json");
    /* Its own come first, whatever folders are given: `zoe model add` puts models there. */
    const char *folders[COORDINATOR_MODELS_MAX + 1] = {own, built_in};
    size_t given = c->options.model_count;
    for (size_t i = 0; i < given; i++)
        folders[1 + i] = c->options.models[i];
    struct models_options o = {.folders = folders,
                               .folder_count = given > 0 ? 1 + given : 2,
                               .engine = engine,
                               .cache_file = cache,
                               .describe_limit_ms = DESCRIBE_LIMIT_MS};
    c->models = models_create(&c->loop, &o);
    free(bin);
    free(own);
    free(real);
    free(beside);
    free(engine);
    free(cache);
}

struct coordinator *coordinator_create(const struct coordinator_options *options, struct error *err)
{
    struct coordinator *c = xcalloc(1, sizeof(*c));
    c->options = *options;
    c->lock_fd = -1;
    c->started_ns = clock_now_ns();
    c->busy_ns = c->started_ns;
    keyring_init(&c->keyring);
    tokens_init(&c->tokens);
    joiners_init(&c->joiners);
    possessions_init(&c->possessions);
    owners_init(&c->owners);
    audit_init(&c->audit);
    sessions_init(&c->sessions);
    audience_init(&c->audience);
    catalog_init(&c->catalog);
    retention_init(&c->retention);
    feed_init(&c->feed);
    outbound_init(&c->outbound);
    if (open_folder(c, err) && open_store(c, err) && open_keys(c, err) && open_handles(c, err)) {
        open_models(c);
        return c;
    }
    coordinator_destroy(c);
    return NULL;
}

/* ---- starting
 * --------------------------------------------------------------------------------------------- */

static bool open_canary(struct coordinator *c, struct error *err)
{
    const struct model *model = models_find(c->models, CANARY_MODEL);
    if (model == NULL) {
        return error_set(err, ERROR_NOT_FOUND,
                         "no usable model `%s` in the model folders: workers are admitted by it "
                         "(give its folder's parent with --models)",
                         CANARY_MODEL);
    }
    c->canary_model = model->digest;
    if (!canary_file_read(&c->canary, model->folder, NULL, err)) return false;
    return c->canary.count > 0 ||
           error_set(err, ERROR_INVALID, "%s/canary.json holds no answer", model->folder);
}

static bool open_parts(struct coordinator *c, struct error *err)
{
    char *bin = path_own_folder();
    char *program = path_join(bin, "zoe-media");
    char *artifacts = path_join(c->state, "artifacts");
    char *prompts = path_join(c->state, "prompts");
    c->media = media_children_create(&c->loop, program, MEDIA_AT_ONCE, MEDIA_LIMIT_MS);
    c->prompts = prompts_create(prompts, PROMPTS_BUDGET_BYTES);
    c->artifacts = artifacts_open(&artifact_backend_folder, artifacts, c->store, &c->loop, err);
    c->uploads = uploads_create(c);
    c->checkpoints = checkpoint_uploads_create(c);
    c->checks = checks_create(c);
    c->publisher = publisher_create(c);
    if (c->artifacts != NULL) c->intake = intake_create(c, err);
    free(bin);
    free(program);
    free(artifacts);
    free(prompts);
    return c->intake != NULL;
}

static enum zap_verdict decide_key(void *context, const char *domain, const uint8_t key[KEY_BYTES],
                                   const char *address, char user_out[LIMIT_NAME_BYTES + 1])
{
    struct coordinator *c = context;
    const struct keyring_entry *entry = keyring_find(&c->keyring, key);
    const bool to_client = strcmp(domain, DOMAIN_CLIENTS) == 0;
    if (c->stopping) return ZAP_LATER;
    if (entry == NULL) return joining_admit(c, to_client, key, address, user_out);
    if (to_client == (entry->role == MESSAGE_FROM_WORKER)) return ZAP_REFUSED;
    (void)snprintf(user_out, LIMIT_NAME_BYTES + 1, "%s", entry->name);
    return ZAP_ALLOWED;
}

static struct zsock *open_socket(struct coordinator *c, const char *url, const char *domain,
                                 zsock_receive on_receive, struct error *err)
{
    struct zsock_options o = {.router = true,
                              .url = url,
                              .keys = &c->server_key,
                              .zap_domain = domain,
                              .owner_polls = true,
                              .on_receive = on_receive,
                              .context = c};
    return zsock_open(&c->loop, c->zmq_context, &o, err);
}

/* The key check stands before anything can be knocked at. */
static bool open_sockets(struct coordinator *c, struct error *err)
{
    c->zmq_context = zsock_context_create(err);
    if (c->zmq_context == NULL) return false;
    c->zap = zap_open(&c->loop, c->zmq_context, decide_key, c, err);
    if (c->zap == NULL) return false;
    c->workers = open_socket(c, c->options.listen_workers, DOMAIN_WORKERS, dispatch_worker, err);
    if (c->workers == NULL) return false;
    c->clients = open_socket(c, c->options.listen_clients, DOMAIN_CLIENTS, dispatch_client, err);
    return c->clients != NULL;
}

static bool start(struct coordinator *c, struct error *err)
{
    if (!open_canary(c, err) || !open_parts(c, err) || !loading_load(c, err) ||
        !loading_recover(c, err) || !open_sockets(c, err)) {
        return false;
    }
    c->up = true;
    shell_stir(c);
    return ready_say(c, err);
}

static void start_or_stop(struct coordinator *c)
{
    struct error err = {0};
    if (!start(c, &err)) shell_stop(c, &err);
}

static void on_first_wake(uv_timer_t *timer)
{
    shell_stir(timer->data);
}

/* The scan may end before the loop runs: the timer makes the first turn happen. */
static void on_models(void *context)
{
    struct coordinator *c = context;
    if (c->stopping) return;
    start_or_stop(c);
    (void)uv_timer_start(&c->wake, on_first_wake, 0, 0);
}

void coordinator_begin(struct coordinator *c)
{
    models_scan(c->models, on_models, c);
}

bool coordinator_run(struct coordinator *c, struct error *err)
{
    coordinator_begin(c);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    if (c->exit_error.code == ERROR_NONE) return true;
    return error_set(err, c->exit_error.code, "%s", c->exit_error.message);
}

void coordinator_destroy(struct coordinator *c)
{
    if (c == NULL) return;
    if (c->loop_open) {
        close_parts(c);
        uv_close((uv_handle_t *)&c->watchdog, NULL);
        (void)uv_run(&c->loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&c->loop) != 0) log_warn("something is left in the loop");
    }
    zsock_context_destroy(c->zmq_context);
    if (c->farm != NULL) farm_free(c->farm);
    if (c->prompts != NULL) prompts_destroy(c->prompts);
    store_close(c->store);
    canary_file_finish(&c->canary);
    outbound_finish(&c->outbound);
    assign_inputs_finish(&c->missing);
    reports_finish(&c->reports);
    feed_finish(&c->feed);
    catalog_finish(&c->catalog);
    retention_finish(&c->retention);
    audience_finish(&c->audience);
    sessions_finish(&c->sessions);
    owners_finish(&c->owners);
    joiners_finish(&c->joiners);
    possessions_finish(&c->possessions);
    tokens_finish(&c->tokens);
    keyring_finish(&c->keyring);
    keys_wipe(&c->server_key);
    free(c->renders);
    free(c->state);
    if (c->lock_fd >= 0) (void)close(c->lock_fd);
    free(c);
}

/* Life of the modules; what each says to the others stands in the files of worker_parts.h. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/path.h"
#include "base/xalloc.h"
#include "proto/limits.h"
#include "worker/worker_parts.h"

#define LOOK_MS 1000

/* ---- connections ---- */

static void host_joined(void *context)
{
    struct worker *w = context;
    upload_joined(w->upload);
    checkpoint_box_joined(w->checkpoints);
    model_fetch_ready(w->fetch);
    if (w->inputs) input_fetch_ready(input_pool_fetch(w->inputs));
}

static void host_refused(void *context, int exit_code)
{
    worker_finish_now(context, exit_code);
}

static void bulk_is_there(void *context)
{
    struct worker *w = context;
    upload_bulk_ready(w->upload);
    checkpoint_box_bulk_ready(w->checkpoints);
    model_fetch_ready(w->fetch);
    if (w->inputs) input_fetch_ready(input_pool_fetch(w->inputs));
}

static void bulk_is_gone(void *context)
{
    struct worker *w = context;
    upload_bulk_lost(w->upload);
    checkpoint_box_bulk_lost(w->checkpoints);
    model_fetch_lost(w->fetch);
    if (w->inputs) input_fetch_lost(input_pool_fetch(w->inputs));
}

static bool bulk_is_used(void *context)
{
    struct worker *w = context;
    return upload_is_busy(w->upload) || checkpoint_box_is_busy(w->checkpoints) ||
           model_fetch_is_busy(w->fetch) ||
           (w->inputs && input_fetch_is_busy(input_pool_fetch(w->inputs)));
}

static void upload_removed(void *context)
{
    worker_look(context);
}

static bool results_flow(void *context)
{
    struct worker *w = context;
    return upload_flows(w->upload);
}

static bool dial(struct worker *w, struct error *err)
{
    struct link_options link = {
        .url = w->options.url,
        .server_key = w->options.server_key,
        .keys = w->options.keys,
        .zmq_context = w->options.zmq_context,
        .machine_id = w->probe.machine_id,
        .host_name = w->probe.host,
        .host = {w, worker_tell, host_joined, worker_take, host_refused},
    };
    w->link = link_create(w->loop, &link, err);
    if (!w->link) return false;
    struct bulk_options bulk = {
        .url = w->options.url,
        .server_key = w->options.server_key,
        .keys = w->options.keys,
        .zmq_context = w->options.zmq_context,
        .boot_id = link_boot_id(w->link),
        .machine_id = w->probe.machine_id,
        .host = {w, worker_take, bulk_is_there, bulk_is_gone, bulk_is_used},
    };
    w->bulk = bulk_create(w->loop, &bulk);
    struct upload_options upload = {&w->outbox, w->link, w->bulk, upload_removed, w};
    w->upload = upload_create(w->loop, &upload);
    struct checkpoint_box_options box = {
        w->options.state_folder, w->link, w->bulk, w, results_flow, worker_left};
    w->checkpoints = checkpoint_box_create(w->loop, &box, err);
    return w->checkpoints != NULL;
}

/* Hello names every slot's fingerprint, so it waits for the engines. */
void worker_ready(struct worker *w)
{
    struct error err = {0};
    if (w->link || w->closing) return;
    for (size_t i = 0; i < w->slot_count; i++)
        if (!slot_fingerprint(w->slots[i])) return;
    log_info("ready: %zu slot(s) of %d thread(s), %s", w->slot_count, w->threads,
             slot_fingerprint(w->slots[0]));
    if (dial(w, &err)) return;
    log_error("%s", err.message);
    worker_finish_now(w, error_exit_code(err.code));
}

/* ---- time ---- */

/* E3: rather an engine than the machine. */
static void check_memory(struct worker *w)
{
    uint64_t share = worker_slot_share(w);
    for (size_t i = 0; share > 0 && i < w->slot_count; i++) {
        int pid = slot_engine_pid(w->slots[i]);
        if (pid > 0 && probe_resident_bytes(pid) > share) slot_overgrown(w->slots[i]);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    check_memory(w);
    worker_check_alone(w);
    worker_look(w);
    if (!w->closing && w->draining && w->leave_by_ns != INT64_MAX)
        (void)uv_timer_start(timer, on_timer, 50, 50);
}

/* ---- beginning and end ---- */

static void on_first_scan(void *context)
{
    struct worker *w = context;
    if (w->closing) return;
    for (size_t i = 0; i < w->slot_count; i++)
        slot_start(w->slots[i]);
}

static void create_slots(struct worker *w)
{
    w->slot_count = (size_t)w->options.slots;
    w->threads = w->options.threads;
    if (w->threads == 0) w->threads = w->probe.cores / w->options.slots;
    if (w->threads == 0) w->threads = 1;
    w->slots = xcalloc(w->slot_count, sizeof(struct slot *));
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot_options options = {.program = w->options.engine,
                                       .index = (int)i,
                                       .threads = w->threads,
                                       .slots =
                                           w->options.no_checkpoints ? 0 : (unsigned)w->slot_count,
                                       .host = worker_slot_host(w)};
        w->slots[i] = slot_create(w->loop, &options);
    }
}

static bool open_state(struct worker *w, struct error *err)
{
    char *folder = path_join(w->options.state_folder, "outbox");
    struct model_cache_options cache = {w->options.state_folder, w->options.model_folders,
                                        w->options.model_folder_count};
    bool ok =
        probe_read(&w->probe, w->options.state_folder, err) && outbox_open(&w->outbox, folder, err);
    if (ok) w->cache = model_cache_create(w->loop, &cache, err);
    free(folder);
    struct input_pool_options inputs = worker_input_options(w);
    if (ok && w->cache) w->inputs = input_pool_create(w->loop, &inputs, err);
    return ok && w->cache && w->inputs;
}

struct worker *worker_create(uv_loop_t *loop, const struct worker_options *options,
                             struct error *err)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->options = *options;
    w->loop = loop;
    w->leave_by_ns = INT64_MAX;
    if (!open_state(w, err)) {
        outbox_finish(&w->outbox);
        free(w);
        return NULL;
    }
    struct model_fetch_host fetch = worker_fetch_host(w);
    w->fetch = model_fetch_create(loop, &fetch);
    create_slots(w);
    ZOE_ASSERT(uv_timer_init(loop, &w->timer) == 0);
    w->timer.data = w;
    (void)uv_timer_start(&w->timer, on_timer, LOOK_MS, LOOK_MS);
    if (w->outbox.count > 0)
        log_info("%zu result(s) in the outbox are not stored yet", w->outbox.count);
    model_cache_scan(w->cache, on_first_scan, w);
    return w;
}

int worker_finish(struct worker *w)
{
    int exit_code = w->exit_code;
    model_cache_destroy(w->cache);
    outbox_finish(&w->outbox);
    free(w->slots);
    free(w);
    return exit_code;
}

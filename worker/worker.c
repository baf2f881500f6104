/* Routing only: each module decides for itself. */
#include "worker/worker.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/path.h"
#include "base/recipe.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"
#include "worker/bulk.h"
#include "worker/input_pool.h"
#include "worker/link.h"
#include "worker/model_cache.h"
#include "worker/model_fetch.h"
#include "worker/outbox.h"
#include "worker/probe.h"
#include "worker/report.h"
#include "worker/slot.h"
#include "worker/upload.h"

#define RESULT_MIN_BYTES (UINT64_C(8) << 20) /* W5: assumed before any recipe was seen */
#define RESULT_EXTRA_BYTES (UINT64_C(1) << 20)
#define LOOK_MS 1000

struct worker {
    struct worker_options options;
    uv_loop_t *loop;
    struct probe probe;
    struct outbox outbox;
    struct link *link; /* NULL until every slot's engine said what it is */
    struct bulk *bulk;
    struct upload *upload;
    struct model_cache *cache;
    struct model_fetch *fetch;
    struct input_pool *inputs; /* NULL once it was closed */
    struct slot **slots;
    size_t slot_count;
    int threads;
    uint64_t result_bytes; /* the largest result that was taken on, as W5 estimates it */
    uv_timer_t timer;
    bool draining;
    bool over; /* the grace is over: what ran was killed */
    bool closing;
    int64_t leave_by_ns; /* draining: INT64_MAX = when all is done */
    int exit_code;
};

static void look(struct worker *w);
static void finish(struct worker *w, int exit_code);

/* ---- slots, from above ---- */

static struct slot *slot_at(const struct worker *w, uint32_t index)
{
    return index < w->slot_count ? w->slots[index] : NULL;
}

static void host_report(void *context, const struct attempt_name *name, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (w->link) link_report(w->link, name, envelope);
}

static void host_progress(void *context, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (w->link) (void)link_send(w->link, envelope);
}

static char *host_part_path(void *context, const struct attempt_name *name)
{
    struct worker *w = context;
    return outbox_part_path(&w->outbox, name);
}

static void host_no_result(void *context, const struct attempt_name *name)
{
    struct worker *w = context;
    outbox_discard_part(&w->outbox, name);
    if (w->inputs) input_pool_release(w->inputs, name);
}

static void take_canary(struct worker *w, struct slot *slot, const struct slot_work *work,
                        const struct slot_result *result)
{
    uint32_t index = 0;
    while (w->slots[index] != slot)
        index++;
    outbox_discard_part(&w->outbox, &work->name);
    report_canary(&work->name, index, &result->frames_sha256, slot_fingerprint(slot), "",
                  host_report, w);
}

static void lose_result(struct worker *w, const struct slot_work *work, const struct error *err)
{
    log_error("a result cannot be kept: %s", err->message);
    if (err->code == ERROR_FULL)
        report_handed_back(&work->name, FARM__HAND_BACK_REASON__HAND_BACK_DISK, err->message,
                           host_report, w);
    else
        report_ended(&work->name, FARM__END_KIND__END_FAILED, err->message, NULL, 0, host_report,
                     w);
}

static void host_finished(void *context, struct slot *slot, struct slot_work *work,
                          const struct slot_result *result)
{
    struct worker *w = context;
    struct error err = {0};
    if (w->inputs) input_pool_release(w->inputs, &work->name);
    if (work->canary) {
        take_canary(w, slot, work, result);
    } else {
        struct outbox_entry *e = outbox_add(&w->outbox, work, slot_fingerprint(slot), result, &err);
        if (e)
            upload_offer(w->upload, e);
        else
            lose_result(w, work, &err);
    }
    slot_work_free(work);
}

/* ---- models ---- */

static void tell_model(struct worker *w, const struct digest *model, const char *folder,
                       const char *message)
{
    for (size_t i = 0; i < w->slot_count; i++)
        slot_model(w->slots[i], model, folder, message);
}

struct search { /* of one model, over a scan */
    struct worker *worker;
    struct digest model;
    bool fetched; /* it was brought just now */
};

static void on_scanned(void *context)
{
    struct search *search = context;
    struct worker *w = search->worker;
    const char *folder = w->closing ? NULL : model_cache_find(w->cache, &search->model);
    if (folder)
        tell_model(w, &search->model, folder, "");
    else if (!w->closing && search->fetched)
        tell_model(w, &search->model, NULL, "the model that was fetched cannot be used");
    else if (!w->closing)
        model_fetch_want(w->fetch, &search->model);
    free(search);
}

static void search_model(struct worker *w, const struct digest *model, bool fetched)
{
    struct search *search = xcalloc(1, sizeof *search);
    *search = (struct search){w, *model, fetched};
    model_cache_scan(w->cache, on_scanned, search);
}

/* Raw pictures are wanted like models, by their keys. */
static void host_want_model(void *context, const struct digest *model)
{
    struct worker *w = context;
    if (w->inputs && input_pool_want(w->inputs, model)) return;
    search_model(w, model, false);
}

static bool fetch_ask(void *context, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (!w->link || !link_is_joined(w->link)) return false;
    bulk_need(w->bulk, link_session(w->link));
    return bulk_is_ready(w->bulk) &&
           bulk_send(w->bulk, envelope, (struct bytes){NULL, 0}) == ZSOCK_SENT;
}

static char *fetch_place(void *context, const struct digest *digest)
{
    struct worker *w = context;
    return model_cache_place(w->cache, digest);
}

static void fetch_progress(void *context, const struct digest *digest, uint64_t bytes)
{
    struct worker *w = context;
    for (size_t i = 0; i < w->slot_count; i++)
        slot_fetched(w->slots[i], digest, bytes);
}

static void fetch_done(void *context, const struct digest *digest, const char *folder,
                       const char *message)
{
    struct worker *w = context;
    if (folder)
        search_model(w, digest, true);
    else
        tell_model(w, digest, NULL, message);
}

static void inputs_done(void *context, const struct digest *key, const char *path,
                        const char *message)
{
    tell_model(context, key, path, message);
}

/* ---- messages ---- */

/* Lossless video of that shape, at most; W5 wants room for two. */
static uint64_t result_bytes_of(const json_t *recipe)
{
    int64_t width = recipe_int(recipe, "width", 0), height = recipe_int(recipe, "height", 0);
    int64_t frames = recipe_int(recipe, "num_frames", 0);
    if (width < 1 || width > LIMIT_SIDE || height < 1 || height > LIMIT_SIDE || frames < 1 ||
        frames > LIMIT_FRAMES)
        return RESULT_MIN_BYTES;
    return (uint64_t)width * (uint64_t)height * (uint64_t)frames * 4 + RESULT_EXTRA_BYTES;
}

static bool has_room(struct worker *w, uint64_t *free_out)
{
    return outbox_has_room(&w->outbox, w->result_bytes, free_out);
}

/* A clip that is too large for this disk is refused, and says nothing about the next one. */
static Farm__HandBackReason check_room(struct worker *w, uint64_t result_bytes)
{
    uint64_t available, most = result_bytes > w->result_bytes ? result_bytes : w->result_bytes;
    if (!outbox_has_room(&w->outbox, most, &available))
        return FARM__HAND_BACK_REASON__HAND_BACK_DISK;
    w->result_bytes = most;
    return FARM__HAND_BACK_REASON__HAND_BACK_NONE;
}

static void add_model(struct worker *w, struct slot_work *work, const ProtobufCBinaryData *digest)
{
    struct slot_model *model = &work->models[work->model_count++];
    (void)codec_digest_get(digest, &model->digest);
    const char *folder = model_cache_find(w->cache, &model->digest);
    model->folder = folder ? xstrdup(folder) : NULL;
}

/* Its place among the parts; 0 = the recipe names none. */
static size_t add_input(struct worker *w, struct slot_work *work, const struct input_wanted *wanted)
{
    if (digest_is_zero(&wanted->key)) return 0;
    const size_t place = work->model_count++;
    input_pool_hold(w->inputs, wanted, &work->name);
    work->models[place].digest = wanted->key;
    work->models[place].folder = input_pool_find(w->inputs, &wanted->key);
    return place;
}

static struct slot_work *work_of(struct worker *w, const Farm__Assign *assign,
                                 const struct input_pair *inputs)
{
    struct slot_work *work = xcalloc(1, sizeof *work);
    work->name = attempt_name_read(assign->attempt);
    work->canary = assign->canary;
    work->recipe = xstrdup(assign->recipe);
    work->recipe_digest = digest_of(assign->recipe, strlen(assign->recipe));
    work->limit_ns = (int64_t)assign->limit_ms * NS_PER_MS;
    add_model(w, work, &assign->model_digest);
    for (size_t i = 0; i < assign->n_loras; i++)
        add_model(w, work, &assign->loras[i]);
    work->lora_count = assign->n_loras;
    work->init = add_input(w, work, &inputs->init);
    work->mask = add_input(w, work, &inputs->mask);
    return work;
}

/* The pipe carries the canonical form, which must fit. */
static bool check_recipe(const Farm__Assign *assign, uint64_t *result_bytes,
                         struct input_pair *inputs, struct error *err)
{
    json_t *recipe = json_parse(assign->recipe, strlen(assign->recipe), "recipe", err);
    if (!recipe) return false;
    char *text = json_canonical(recipe);
    bool fits = strlen(text) <= LIMIT_RECIPE_BYTES;
    if (!fits) error_set(err, ERROR_USAGE, "the recipe is too long");
    *result_bytes = result_bytes_of(recipe);
    fits = fits && input_pair_of_recipe(recipe, inputs, err);
    free(text);
    json_decref(recipe);
    return fits;
}

static void assign(struct worker *w, const Farm__Assign *assign)
{
    struct error err = {0};
    struct attempt_name name = attempt_name_read(assign->attempt);
    struct slot *slot = slot_at(w, assign->slot);
    struct outbox_entry *finished = outbox_find(&w->outbox, &name);
    struct input_pair inputs = {0};
    uint64_t result_bytes = 0;
    if (finished) {
        upload_offer(w->upload, finished);
    } else if (!slot) {
        report_handed_back(&name, FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN,
                           "there is no such slot", host_report, w);
    } else if (!check_recipe(assign, &result_bytes, &inputs, &err)) {
        report_ended(&name, FARM__END_KIND__END_RECIPE, err.message, NULL, 0, host_report, w);
    } else {
        slot_assign(slot, work_of(w, assign, &inputs), check_room(w, result_bytes));
    }
}

static void take_assign(struct worker *w, const struct message *m)
{
    assign(w, m->envelope->assign);
}

static void report_unknown(struct worker *w, const struct attempt_name *name)
{
    report_handed_back(name, FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN, "not held here",
                       host_report, w);
}

static void take_cancel(struct worker *w, const struct message *m)
{
    struct attempt_name name = attempt_name_read(m->envelope->cancel->attempt);
    for (size_t i = 0; i < w->slot_count; i++)
        if (slot_cancel(w->slots[i], &name)) return;
    if (upload_forget(w->upload, &name))
        report_ended(&name, FARM__END_KIND__END_CANCELED, "canceled", NULL, 0, host_report, w);
    else
        report_unknown(w, &name);
}

static void take_recall(struct worker *w, const struct message *m)
{
    struct attempt_name name = attempt_name_read(m->envelope->recall->attempt);
    for (size_t i = 0; i < w->slot_count; i++)
        if (slot_recall(w->slots[i], &name)) return;
    struct outbox_entry *finished = outbox_find(&w->outbox, &name);
    if (!finished) {
        report_unknown(w, &name);
        return;
    }
    report_started(&name, host_report, w);
    upload_offer(w->upload, finished);
}

static void drain(struct worker *w, const char *why, int64_t leave_by_ns);

static void take_drain(struct worker *w, const struct message *m)
{
    int64_t grace_ms = (int64_t)m->envelope->drain->grace_ms;
    drain(w, "the coordinator asks for it",
          grace_ms > 0 ? clock_now_ns() + grace_ms * NS_PER_MS : INT64_MAX);
}

static void take_credit(struct worker *w, const struct message *m)
{
    upload_credit(w->upload, m->envelope->credit);
}

static void take_stored(struct worker *w, const struct message *m)
{
    upload_stored(w->upload, m->envelope->stored);
}

static void take_dropped(struct worker *w, const struct message *m)
{
    upload_dropped(w->upload, m->envelope->dropped);
}

static void take_model_files(struct worker *w, const struct message *m)
{
    model_fetch_files(w->fetch, m->envelope->model_files);
}

static void take_file_data(struct worker *w, const struct message *m)
{
    const Farm__FileData *data = m->envelope->file_data;
    if (data->input.len == 0)
        model_fetch_data(w->fetch, data, m->payload);
    else if (w->inputs)
        input_fetch_data(input_pool_fetch(w->inputs), data, m->payload);
}

static void take_problem(struct worker *w, const struct message *m)
{
    const Farm__Envelope *e = m->envelope;
    model_fetch_problem(w->fetch, e->request, e->problem);
    if (w->inputs) input_fetch_problem(input_pool_fetch(w->inputs), e->request, e->problem);
}

static const struct {
    Farm__Envelope__BodyCase body;
    void (*take)(struct worker *w, const struct message *m);
} handlers[] = {
    {FARM__ENVELOPE__BODY_ASSIGN, take_assign},
    {FARM__ENVELOPE__BODY_CANCEL, take_cancel},
    {FARM__ENVELOPE__BODY_RECALL, take_recall},
    {FARM__ENVELOPE__BODY_DRAIN, take_drain},
    {FARM__ENVELOPE__BODY_CREDIT, take_credit},
    {FARM__ENVELOPE__BODY_STORED, take_stored},
    {FARM__ENVELOPE__BODY_DROPPED, take_dropped},
    {FARM__ENVELOPE__BODY_MODEL_FILES, take_model_files},
    {FARM__ENVELOPE__BODY_FILE_DATA, take_file_data},
    {FARM__ENVELOPE__BODY_PROBLEM, take_problem},
};

static void host_message(void *context, const struct message *message)
{
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++)
        if (handlers[i].body == message->envelope->body_case) {
            handlers[i].take(context, message);
            return;
        }
    log_debug("%s is nothing for a worker", message->kind->name);
}

/* ---- truth ---- */

static uint64_t slot_share(const struct worker *w)
{
    uint64_t all = w->options.memory_bytes ? w->options.memory_bytes : w->probe.memory_bytes;
    return all / w->slot_count;
}

static void tell_slots(struct worker *w, struct truth *truth)
{
    uint64_t share = slot_share(w);
    truth->memory_bytes = probe_resident_bytes((int)getpid());
    for (size_t i = 0; i < w->slot_count; i++) {
        struct slot_held held[2];
        size_t count = slot_held(w->slots[i], held);
        truth_add_slot(truth, slot_backend(w->slots[i]), slot_fingerprint(w->slots[i]),
                       (uint32_t)w->threads, share);
        for (size_t k = 0; k < count; k++)
            truth_add_held(truth, (uint32_t)i, &held[k]);
        int pid = slot_engine_pid(w->slots[i]);
        if (pid > 0) truth->memory_bytes += probe_resident_bytes(pid);
    }
}

static void host_tell(void *context, struct truth *truth)
{
    struct worker *w = context;
    tell_slots(w, truth);
    for (size_t i = 0; i < w->outbox.count; i++) {
        const struct outbox_entry *e = w->outbox.entries[i];
        struct slot_held held = {e->name,
                                 {.phase = FARM__PHASE__PHASE_UPLOADING,
                                  .step = e->result.steps,
                                  .steps = e->result.steps}};
        truth_add_held(truth, 0, &held);
    }
    for (size_t i = 0; i < model_cache_count(w->cache); i++)
        truth_add_model(truth, model_cache_digest(w->cache, i));
    truth->outbox_count = (uint32_t)w->outbox.count;
    truth->outbox_bytes = w->outbox.size_bytes;
    truth->disk_low = !has_room(w, &truth->disk_free_bytes);
    truth->draining = w->draining;
}

/* ---- connections ---- */

static void host_joined(void *context)
{
    struct worker *w = context;
    upload_joined(w->upload);
    model_fetch_ready(w->fetch);
    if (w->inputs) input_fetch_ready(input_pool_fetch(w->inputs));
}

static void host_refused(void *context, int exit_code)
{
    finish(context, exit_code);
}

static void bulk_is_there(void *context)
{
    struct worker *w = context;
    upload_bulk_ready(w->upload);
    model_fetch_ready(w->fetch);
    if (w->inputs) input_fetch_ready(input_pool_fetch(w->inputs));
}

static void bulk_is_gone(void *context)
{
    struct worker *w = context;
    upload_bulk_lost(w->upload);
    model_fetch_lost(w->fetch);
    if (w->inputs) input_fetch_lost(input_pool_fetch(w->inputs));
}

static bool bulk_is_used(void *context)
{
    struct worker *w = context;
    return upload_is_busy(w->upload) || model_fetch_is_busy(w->fetch) ||
           (w->inputs && input_fetch_is_busy(input_pool_fetch(w->inputs)));
}

static void upload_removed(void *context)
{
    look(context);
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
        .host = {w, host_tell, host_joined, host_message, host_refused},
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
        .host = {w, host_message, bulk_is_there, bulk_is_gone, bulk_is_used},
    };
    w->bulk = bulk_create(w->loop, &bulk);
    struct upload_options upload = {&w->outbox, w->link, w->bulk, upload_removed, w};
    w->upload = upload_create(w->loop, &upload);
    return true;
}

/* Hello names every slot's fingerprint, so it waits for the engines. */
static void dial_when_ready(struct worker *w)
{
    struct error err = {0};
    if (w->link || w->closing) return;
    for (size_t i = 0; i < w->slot_count; i++)
        if (!slot_fingerprint(w->slots[i])) return;
    log_info("ready: %zu slot(s) of %d thread(s), %s", w->slot_count, w->threads,
             slot_fingerprint(w->slots[0]));
    if (dial(w, &err)) return;
    log_error("%s", err.message);
    finish(w, error_exit_code(err.code));
}

static void host_changed(void *context, struct slot *slot)
{
    struct worker *w = context;
    (void)slot;
    dial_when_ready(w);
    look(w);
}

/* ---- leaving ---- */

static void say_leaving(struct worker *w, const char *reason, int64_t grace_ns, bool drained)
{
    char *text = codec_clean_text(reason, strlen(reason), LIMIT_TEXT_BYTES, false);
    Farm__Leaving leaving = FARM__LEAVING__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    leaving.reason = text;
    leaving.grace_ms = (uint64_t)(grace_ns / NS_PER_MS);
    leaving.drained = drained;
    envelope.body_case = FARM__ENVELOPE__BODY_LEAVING;
    envelope.leaving = &leaving;
    if (w->link) (void)link_send(w->link, &envelope);
    free(text);
}

static bool is_idle(const struct worker *w)
{
    for (size_t i = 0; i < w->slot_count; i++)
        if (!slot_is_idle(w->slots[i])) return false;
    return true;
}

/* Everything is told that must be told, or nobody is there to hear it. */
static bool is_drained(const struct worker *w)
{
    if (!is_idle(w)) return false;
    if (w->over) return true;
    return w->outbox.count == 0 && (!w->link || !link_has_unsent(w->link));
}

static void look(struct worker *w)
{
    if (!w->draining || w->closing) return;
    if (!w->over && clock_now_ns() >= w->leave_by_ns) {
        w->over = true;
        for (size_t i = 0; i < w->slot_count; i++)
            slot_preempt(w->slots[i]);
    }
    if (!w->closing && is_drained(w)) finish(w, 0);
}

static void drain(struct worker *w, const char *why, int64_t leave_by_ns)
{
    if (w->closing) return;
    if (!w->draining) log_info("draining: %s", why);
    if (!w->draining || leave_by_ns < w->leave_by_ns) w->leave_by_ns = leave_by_ns;
    w->draining = true;
    for (size_t i = 0; i < w->slot_count; i++)
        slot_drain(w->slots[i]);
    if (w->link) link_beat(w->link);
    look(w);
}

void worker_stop(struct worker *w)
{
    if (w->closing) return;
    int64_t grace_ns = w->draining ? 0 : w->options.grace_ns;
    say_leaving(w, "it was asked to stop", grace_ns, false);
    drain(w, "asked to stop", clock_now_ns() + grace_ns);
}

static void check_alone(struct worker *w)
{
    int64_t limit_ns = w->options.leave_after_ns;
    if (limit_ns == 0 || w->draining || !w->link || link_alone_ns(w->link) < limit_ns) return;
    log_info("no coordinator for %" PRId64 " s", limit_ns / NS_PER_S);
    drain(w, "nobody is there", clock_now_ns());
}

/* E3: rather an engine than the machine. */
static void check_memory(struct worker *w)
{
    uint64_t share = slot_share(w);
    for (size_t i = 0; share > 0 && i < w->slot_count; i++) {
        int pid = slot_engine_pid(w->slots[i]);
        if (pid > 0 && probe_resident_bytes(pid) > share) slot_overgrown(w->slots[i]);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct worker *w = timer->data;
    check_memory(w);
    check_alone(w);
    look(w);
    if (!w->closing && w->draining && w->leave_by_ns != INT64_MAX)
        (void)uv_timer_start(timer, on_timer, 50, 50);
}

static void finish(struct worker *w, int exit_code)
{
    if (w->closing) return;
    w->closing = true;
    w->exit_code = exit_code;
    if (w->draining) say_leaving(w, "drained", 0, true);
    uv_close((uv_handle_t *)&w->timer, NULL);
    for (size_t i = 0; i < w->slot_count; i++)
        slot_close(w->slots[i], NULL, NULL);
    model_fetch_close(w->fetch, NULL, NULL);
    input_pool_close(w->inputs);
    w->inputs = NULL;
    if (!w->link) return;
    upload_close(w->upload, NULL, NULL);
    bulk_close(w->bulk, NULL, NULL);
    link_close(w->link, NULL, NULL);
    w->link = NULL;
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
                                       .host = {w, host_report, host_progress, host_want_model,
                                                host_finished, host_part_path, host_no_result,
                                                host_changed}};
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
    struct input_pool_options inputs = {w->options.state_folder, w->options.media, w, fetch_ask,
                                        fetch_progress,          inputs_done};
    if (ok && w->cache) w->inputs = input_pool_create(w->loop, &inputs, err);
    return ok && w->cache && w->inputs;
}

struct worker *worker_create(uv_loop_t *loop, const struct worker_options *options,
                             struct error *err)
{
    struct worker *w = xcalloc(1, sizeof *w);
    w->options = *options;
    w->loop = loop;
    w->result_bytes = RESULT_MIN_BYTES;
    w->leave_by_ns = INT64_MAX;
    if (!open_state(w, err)) {
        outbox_finish(&w->outbox);
        free(w);
        return NULL;
    }
    struct model_fetch_host fetch = {w, fetch_ask, fetch_place, fetch_progress, fetch_done};
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

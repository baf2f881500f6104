/* Models and inputs: looked for on this machine, else fetched. */
#include <stdlib.h>

#include "base/xalloc.h"
#include "worker/worker_parts.h"

static void tell_part(struct worker *w, const struct digest *model, const char *folder,
                      const struct error *err)
{
    for (size_t i = 0; i < w->slot_count; i++)
        slot_part(w->slots[i], model, folder, err);
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
    struct error err = {0};
    (void)error_set(&err, ERROR_CORRUPT, "the model that was fetched cannot be used");
    const char *folder = w->closing ? NULL : model_cache_find(w->cache, &search->model);
    if (folder)
        tell_part(w, &search->model, folder, NULL);
    else if (!w->closing && search->fetched)
        tell_part(w, &search->model, NULL, &err);
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

/* Files and raw pictures are wanted like models, by their keys. */
void worker_want_part(void *context, const struct digest *part)
{
    struct worker *w = context;
    if (w->inputs && input_pool_want(w->inputs, part)) return;
    search_model(w, part, false);
}

static bool is_model(const struct slot_part *part)
{
    return part->kind == PART_MODEL || part->kind == PART_LORA;
}

bool worker_sign_models(void *context, const struct slot_work *work, char out[DIGEST_TEXT_SIZE])
{
    const struct worker *w = context;
    struct digest_stream all;
    struct digest one;
    digest_begin(&all);
    for (size_t i = 0; i < work->part_count; i++) {
        const struct slot_part *part = &work->parts[i];
        if (!is_model(part)) continue;
        if (!model_cache_sign(w->cache, part->path, &part->digest, &one)) return false;
        digest_update(&all, one.bytes, DIGEST_BYTES);
    }
    one = digest_end(&all);
    digest_text(&one, out);
    return true;
}

static bool fetch_ask(void *context, Farm__Envelope *envelope)
{
    struct worker *w = context;
    if (!w->link || !link_is_joined(w->link)) return false;
    bulk_need(w->bulk, link_session(w->link), link_version(w->link));
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
                       const struct error *err)
{
    struct worker *w = context;
    if (folder)
        search_model(w, digest, true);
    else
        tell_part(w, digest, NULL, err);
}

static void inputs_done(void *context, const struct digest *key, const char *path,
                        const struct error *err)
{
    tell_part(context, key, path, err);
}

static uint64_t spare_bytes(void *context)
{
    const struct room held = worker_held(context);
    return room_bytes(&held, 0);
}

static bool needs_model(void *context, const struct digest *model)
{
    const struct worker *w = context;
    bool needs = model_fetch_wants(w->fetch, model);
    for (size_t i = 0; i < w->slot_count && !needs; i++)
        needs = slot_needs(w->slots[i], model);
    return needs;
}

static bool make_room(void *context, uint64_t bytes)
{
    struct worker *w = context;
    return model_cache_make_room(w->cache, bytes, needs_model, w);
}

struct model_fetch_host worker_fetch_host(struct worker *w)
{
    return (struct model_fetch_host){.context = w,
                                     .ask = fetch_ask,
                                     .place = fetch_place,
                                     .spare_bytes = spare_bytes,
                                     .make_room = make_room,
                                     .progress = fetch_progress,
                                     .done = fetch_done};
}

struct input_pool_options worker_input_options(struct worker *w)
{
    return (struct input_pool_options){
        w->options.state_folder, w->options.media, w,          fetch_ask,
        fetch_progress,          inputs_done,      spare_bytes};
}

#include "worker/upload.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/xalloc.h"
#include "proto/codec.h"
#include "proto/limits.h"

#define RETRY_MS 50
#define LOOK_MS 1000
#define OFFER_AGAIN_NS (30 * NS_PER_S) /* an Offer that nobody answered: it may be lost */

struct upload {
    struct upload_options options;
    uv_timer_t timer;
    uint8_t *piece; /* LIMIT_CHUNK_BYTES */
    void (*on_closed)(void *context);
    void *closed_context;
};

static void on_timer(uv_timer_t *timer);

static void watch(struct upload *u, bool flows)
{
    (void)uv_timer_start(&u->timer, on_timer, flows ? LOOK_MS : RETRY_MS, 0);
}

/* ---- offers ---- */

static void fill_output(const struct outbox_entry *e, Farm__Output *output)
{
    const struct slot_result *r = &e->result;
    output->sha256 = codec_digest(&r->sha256);
    output->size_bytes = r->size_bytes;
    output->frames_sha256 = codec_digest(&r->frames_sha256);
    output->frames = r->frames;
    output->width = r->width;
    output->height = r->height;
}

void upload_offer(struct upload *u, struct outbox_entry *entry)
{
    struct attempt_name name = entry->name;
    char kind[] = "segment";
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Output output = FARM__OUTPUT__INIT, *outputs[] = {&output};
    Farm__Offer offer = FARM__OFFER__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    fill_output(entry, &output);
    output.kind = kind;
    offer.attempt = &attempt;
    offer.recipe_digest = codec_digest(&entry->recipe_digest);
    offer.model_digest = codec_digest(&entry->model);
    offer.fingerprint = entry->fingerprint;
    offer.outputs = outputs;
    offer.n_outputs = 1;
    offer.steps_computed = entry->result.steps;
    offer.render_ms = entry->result.render_ms;
    envelope.body_case = FARM__ENVELOPE__BODY_OFFER;
    envelope.offer = &offer;
    chunk_sender_reset(&entry->sender);
    entry->offered_ns = link_send(u->options.link, &envelope) ? clock_now_ns() : 0;
    watch(u, true);
}

static void offer_all(struct upload *u)
{
    for (size_t i = 0; i < u->options.outbox->count; i++)
        upload_offer(u, u->options.outbox->entries[i]);
}

void upload_joined(struct upload *u)
{
    offer_all(u);
}

/* ---- bytes ---- */

static enum zsock_result send_piece(struct upload *u, struct outbox_entry *e, uint64_t offset,
                                    uint32_t size)
{
    struct attempt_name name = e->name;
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    chunk.attempt = &attempt;
    chunk.offset = offset;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    return bulk_send(u->options.bulk, &envelope, (struct bytes){u->piece, size});
}

/* False: the connection takes no more now. */
static bool send_credit(struct upload *u, struct outbox_entry *e)
{
    struct error err = {0};
    uint64_t offset;
    uint32_t size;
    while (chunk_sender_next(&e->sender, &offset, &size)) {
        if (!outbox_read(u->options.outbox, e, offset, u->piece, size, &err)) {
            log_error("a result cannot be read any more: %s", err.message);
            chunk_sender_reset(&e->sender);
            return true;
        }
        if (send_piece(u, e, offset, size) != ZSOCK_SENT) return false;
        chunk_sender_sent(&e->sender, size);
        e->offered_ns = clock_now_ns();
    }
    return true;
}

static bool send_all(struct upload *u)
{
    if (!bulk_is_ready(u->options.bulk)) return true; /* goes on when it is */
    for (size_t i = 0; i < u->options.outbox->count; i++)
        if (!send_credit(u, u->options.outbox->entries[i])) return false;
    return true;
}

static bool has_credit(const struct upload *u)
{
    uint64_t offset;
    uint32_t size;
    for (size_t i = 0; i < u->options.outbox->count; i++)
        if (chunk_sender_next(&u->options.outbox->entries[i]->sender, &offset, &size)) return true;
    return false;
}

/* ---- time ---- */

static void offer_stale(struct upload *u)
{
    int64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < u->options.outbox->count; i++) {
        struct outbox_entry *e = u->options.outbox->entries[i];
        if (now_ns - e->offered_ns >= OFFER_AGAIN_NS) upload_offer(u, e);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct upload *u = timer->data;
    bool flows = send_all(u);
    if (link_is_joined(u->options.link)) offer_stale(u);
    if (u->options.outbox->count > 0)
        watch(u, flows);
    else
        (void)uv_timer_stop(timer);
}

/* ---- answers ---- */

void upload_credit(struct upload *u, const Farm__Credit *credit)
{
    if (!credit->attempt || credit->output != 0) return;
    struct attempt_name name = attempt_name_read(credit->attempt);
    struct outbox_entry *e = outbox_find(u->options.outbox, &name);
    if (!e || !chunk_sender_credit(&e->sender, credit->offset, credit->size_bytes)) return;
    e->offered_ns = clock_now_ns();
    bulk_need(u->options.bulk, link_session(u->options.link));
    watch(u, send_all(u));
}

bool upload_forget(struct upload *u, const struct attempt_name *name)
{
    struct outbox_entry *e = outbox_find(u->options.outbox, name);
    if (!e) return false;
    outbox_remove(u->options.outbox, e);
    u->options.removed(u->options.context);
    return true;
}

void upload_stored(struct upload *u, const Farm__Stored *stored)
{
    struct attempt_name name = attempt_name_read(stored->attempt);
    (void)upload_forget(u, &name);
}

void upload_dropped(struct upload *u, const Farm__Dropped *dropped)
{
    struct attempt_name name = attempt_name_read(dropped->attempt);
    char text[ATTEMPT_NAME_TEXT_SIZE];
    attempt_name_text(&name, text);
    if (upload_forget(u, &name))
        log_info("%s: the result is not wanted (%d): %s", text, (int)dropped->reason,
                 dropped->message);
}

void upload_bulk_ready(struct upload *u)
{
    watch(u, send_all(u));
}

/* Pieces may be lost: everything that had credit is offered again. */
void upload_bulk_lost(struct upload *u)
{
    for (size_t i = 0; i < u->options.outbox->count; i++) {
        struct outbox_entry *e = u->options.outbox->entries[i];
        if (e->sender.limit > 0) upload_offer(u, e);
    }
}

bool upload_is_busy(const struct upload *u)
{
    return has_credit(u);
}

/* ---- beginning and end ---- */

struct upload *upload_create(uv_loop_t *loop, const struct upload_options *options)
{
    struct upload *u = xcalloc(1, sizeof *u);
    u->options = *options;
    u->piece = xmalloc(LIMIT_CHUNK_BYTES);
    ZOE_ASSERT(uv_timer_init(loop, &u->timer) == 0);
    u->timer.data = u;
    return u;
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct upload *u = handle->data;
    if (u->on_closed) u->on_closed(u->closed_context);
    free(u->piece);
    free(u);
}

void upload_close(struct upload *u, void (*on_closed)(void *context), void *context)
{
    u->on_closed = on_closed;
    u->closed_context = context;
    uv_close((uv_handle_t *)&u->timer, on_timer_closed);
}

#include "worker/upload.h"

#include <stdio.h>
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

struct wire_outputs { /* of an Offer, which points to them */
    Farm__Output items[SLOT_OUTPUT_KINDS];
    Farm__Output *refs[SLOT_OUTPUT_KINDS];
    char kinds[SLOT_OUTPUT_KINDS][16];
    uint8_t data[LIMIT_INLINE_BYTES]; /* of the one that rides along */
};

static void fill_output(const struct slot_output *o, Farm__Output *output)
{
    farm__output__init(output);
    output->sha256 = codec_digest(&o->sha256);
    output->size_bytes = o->size_bytes;
    if (!slot_output_has_frames(o->kind)) return;
    output->frames_sha256 = codec_digest(&o->frames_sha256);
    output->frames = o->frames;
    output->width = o->width;
    output->height = o->height;
}

/* What cannot be read any more is offered without its bytes: the coordinator says what then. */
static void ride_along(struct outbox *o, struct outbox_entry *e, size_t output,
                       struct wire_outputs *w)
{
    struct error err = {0};
    const uint64_t size = e->result.outputs[output].size_bytes;
    if (size > sizeof w->data) return;
    if (outbox_read(o, e, output, 0, w->data, (uint32_t)size, &err))
        w->items[output].data = (ProtobufCBinaryData){(size_t)size, w->data};
    else
        log_error("a report cannot be read any more: %s", err.message);
}

static void fill_outputs(struct outbox *o, struct outbox_entry *e, struct wire_outputs *w,
                         Farm__Offer *offer)
{
    const struct slot_result *r = &e->result;
    for (size_t i = 0; i < r->output_count; i++) {
        fill_output(&r->outputs[i], &w->items[i]);
        snprintf(w->kinds[i], sizeof w->kinds[i], "%s", slot_output_name(r->outputs[i].kind));
        w->items[i].kind = w->kinds[i];
        w->refs[i] = &w->items[i];
        if (r->outputs[i].kind == SLOT_REPORT) ride_along(o, e, i, w);
    }
    offer->outputs = w->refs;
    offer->n_outputs = r->output_count;
}

static void reset_senders(struct outbox_entry *e)
{
    for (size_t i = 0; i < e->result.output_count; i++)
        chunk_sender_reset(&e->senders[i]);
}

void upload_offer(struct upload *u, struct outbox_entry *entry)
{
    struct attempt_name name = entry->name;
    struct wire_outputs outputs;
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Offer offer = FARM__OFFER__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    fill_outputs(u->options.outbox, entry, &outputs, &offer);
    offer.attempt = &attempt;
    offer.recipe_digest = codec_digest(&entry->recipe_digest);
    offer.model_digest = codec_digest(&entry->model);
    offer.fingerprint = entry->fingerprint;
    offer.steps_computed = entry->result.steps;
    offer.render_ms = entry->result.render_ms;
    envelope.body_case = FARM__ENVELOPE__BODY_OFFER;
    envelope.offer = &offer;
    reset_senders(entry);
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

static enum zsock_result send_piece(struct upload *u, struct outbox_entry *e, size_t output,
                                    uint64_t offset, uint32_t size)
{
    struct attempt_name name = e->name;
    Farm__Attempt attempt = attempt_name_wire(&name);
    Farm__Chunk chunk = FARM__CHUNK__INIT;
    Farm__Envelope envelope = FARM__ENVELOPE__INIT;
    chunk.attempt = &attempt;
    chunk.output = (uint32_t)output;
    chunk.offset = offset;
    envelope.body_case = FARM__ENVELOPE__BODY_CHUNK;
    envelope.chunk = &chunk;
    return bulk_send(u->options.bulk, &envelope, (struct bytes){u->piece, size});
}

/* False: the connection takes no more now. */
static bool send_output(struct upload *u, struct outbox_entry *e, size_t output)
{
    struct chunk_sender *sender = &e->senders[output];
    struct error err = {0};
    uint64_t offset;
    uint32_t size;
    while (chunk_sender_next(sender, &offset, &size)) {
        if (!outbox_read(u->options.outbox, e, output, offset, u->piece, size, &err)) {
            log_error("a result cannot be read any more: %s", err.message);
            chunk_sender_reset(sender);
            return true;
        }
        if (send_piece(u, e, output, offset, size) != ZSOCK_SENT) return false;
        chunk_sender_sent(sender, size);
        e->offered_ns = clock_now_ns();
    }
    return true;
}

static bool send_credit(struct upload *u, struct outbox_entry *e)
{
    for (size_t i = 0; i < e->result.output_count; i++)
        if (!send_output(u, e, i)) return false;
    return true;
}

static bool send_all(struct upload *u)
{
    if (!bulk_is_ready(u->options.bulk)) return true; /* goes on when it is */
    for (size_t i = 0; i < u->options.outbox->count; i++)
        if (!send_credit(u, u->options.outbox->entries[i])) return false;
    return true;
}

static bool entry_has_credit(const struct outbox_entry *e)
{
    uint64_t offset;
    uint32_t size;
    for (size_t i = 0; i < e->result.output_count; i++)
        if (chunk_sender_next(&e->senders[i], &offset, &size)) return true;
    return false;
}

bool upload_flows(const struct upload *u)
{
    for (size_t i = 0; i < u->options.outbox->count; i++)
        if (entry_has_credit(u->options.outbox->entries[i])) return true;
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
    if (!credit->attempt) return;
    struct attempt_name name = attempt_name_read(credit->attempt);
    struct outbox_entry *e = outbox_find(u->options.outbox, &name);
    if (!e || credit->output >= e->result.output_count) return;
    struct chunk_sender *sender = &e->senders[credit->output];
    if (!chunk_sender_credit(sender, credit->offset, credit->size_bytes)) return;
    e->offered_ns = clock_now_ns();
    bulk_need(u->options.bulk, link_session(u->options.link), link_version(u->options.link));
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

static bool was_granted(const struct outbox_entry *e)
{
    for (size_t i = 0; i < e->result.output_count; i++)
        if (e->senders[i].limit > 0) return true;
    return false;
}

/* Pieces may be lost: everything that had credit is offered again. */
void upload_bulk_lost(struct upload *u)
{
    for (size_t i = 0; i < u->options.outbox->count; i++) {
        struct outbox_entry *e = u->options.outbox->entries[i];
        if (was_granted(e)) upload_offer(u, e);
    }
}

/* What ZeroMQ has may still be on its way over a thin line. */
bool upload_is_busy(const struct upload *u)
{
    const int64_t now_ns = clock_now_ns();
    for (size_t i = 0; i < u->options.outbox->count; i++) {
        const struct outbox_entry *e = u->options.outbox->entries[i];
        if (was_granted(e) && now_ns - e->offered_ns < OFFER_AGAIN_NS) return true;
    }
    return upload_flows(u);
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

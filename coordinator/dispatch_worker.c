/* What workers say, turned into events of the core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log_pace.h"
#include "base/xalloc.h"
#include "coordinator/assign_inputs.h"
#include "coordinator/canaries.h"
#include "coordinator/checkpoint_uploads.h"
#include "coordinator/dispatch.h"
#include "coordinator/file_server.h"
#include "coordinator/joining.h"
#include "coordinator/mail.h"
#include "coordinator/offer_judge.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "coordinator/uploads.h"
#include "proto/codec.h"
#include "proto/limits.h"

_Static_assert((int)PHASE_UPLOADING == (int)FARM__PHASE__PHASE_UPLOADING, "phases agree");
_Static_assert((int)HAND_BACK_UNKNOWN == (int)FARM__HAND_BACK_REASON__HAND_BACK_UNKNOWN,
               "reasons agree");
_Static_assert((int)DROP_MISMATCH == (int)FARM__DROP_REASON__DROP_MISMATCH, "reasons agree");

/* ---- from the wire ------------------------------------------------------------------------------
 */

static struct attempt_key attempt_of(const Farm__Attempt *a)
{
    struct attempt_key key = {.fence = a->fence};
    memcpy(key.task.batch, a->batch,
           strlen(a->batch) + 1); /* the codec knows it is an id or empty */
    key.task.clip = a->clip;
    key.task.task = a->task;
    return key;
}

static struct farm_held *held_of(Farm__Held *const *list, size_t count)
{
    struct farm_held *held = xcalloc(count + 1, sizeof(*held));
    for (size_t i = 0; i < count; i++) {
        held[i] = (struct farm_held){.attempt = attempt_of(list[i]->attempt),
                                     .slot = list[i]->slot,
                                     .phase = (enum attempt_phase)list[i]->phase,
                                     .step = list[i]->step,
                                     .steps = list[i]->steps};
    }
    return held;
}

/* ---- hello
 * ---------------------------------------------------------------------------------------- */

static void refuse(struct dispatch *d, const struct error *err)
{
    log_paced(&d->c->paces.hello, d->now_ns, LOG_WARN, "refused worker=%s: %s", d->sender->name,
              err->message);
    mail_bye(d->c, false, d->peer, d->envelope->request, err);
}

static bool open_session(struct dispatch *d, const Farm__Hello *m, uint64_t *epoch_out,
                         struct error *err)
{
    struct farm_slot slots[LIMIT_SLOTS];
    struct farm_held *held = held_of(m->held, m->n_held);
    struct farm_hello hello = {.worker = d->sender->name,
                               .machine_id = m->machine_id,
                               .host = m->host,
                               .build = m->build,
                               .slots = slots,
                               .slot_count = (uint32_t)m->n_slots,
                               .held = held,
                               .held_count = (uint32_t)m->n_held,
                               .last_session = m->session,
                               .last_message = m->last_message,
                               .draining = m->draining};
    memcpy(hello.boot_id, m->boot_id.data, ID_BOOT_BYTES);
    for (size_t i = 0; i < m->n_slots; i++) {
        slots[i] = (struct farm_slot){.backend = m->slots[i]->backend,
                                      .fingerprint = m->slots[i]->fingerprint,
                                      .threads = m->slots[i]->threads,
                                      .memory_bytes = m->slots[i]->memory_bytes};
    }
    bool ok = farm_hello(d->c->farm, &hello, d->now_ns, epoch_out, err);
    free(held);
    return ok;
}

static void control(struct dispatch *d, const Farm__Hello *m)
{
    struct error err = {0};
    uint64_t epoch = 0;
    if (!open_session(d, m, &epoch, &err)) {
        refuse(d, &err);
        return;
    }
    (void)session_add(&d->c->sessions, epoch, d->sender->name, d->peer,
                      codec_version_choose(m->version_min, m->version_max));
}

static void bulk(struct dispatch *d, const Farm__Hello *m)
{
    struct coordinator *c = d->c;
    struct session *session = session_find(&c->sessions, m->session);
    if (session == NULL || strcmp(session->worker, d->sender->name) != 0 ||
        !farm_bulk(c->farm, m->session, d->now_ns)) {
        mail_who_are_you(c, false, d->peer, d->envelope->request);
        return;
    }
    session_join(&c->sessions, session, d->peer);
    struct reply r;
    Farm__Welcome w = FARM__WELCOME__INIT;
    reply_init(&r);
    w.version = codec_version_choose(m->version_min, m->version_max);
    w.session = session->epoch;
    w.heartbeat_ms = farm_heartbeat_ms(c->farm);
    w.name = reply_name(&r, d->sender->name, LIMIT_NAME_BYTES);
    dispatch_reply(d, FARM__ENVELOPE__BODY_WELCOME, &w.base);
    reply_finish(&r);
}

static void hello(struct dispatch *d)
{
    const Farm__Hello *m = d->envelope->hello;
    struct error err = {0};
    if (codec_version_choose(m->version_min, m->version_max) == 0) {
        (void)codec_version_refuse("worker", m->version_min, m->version_max, &err);
        refuse(d, &err);
    } else if (m->connection == FARM__CONNECTION__CONNECTION_CONTROL) {
        control(d, m);
    } else {
        bulk(d, m);
    }
}

/* ---- news
 * ----------------------------------------------------------------------------------------- */

static void heartbeat(struct dispatch *d)
{
    const Farm__Heartbeat *m = d->envelope->heartbeat;
    if (m->session != d->session->epoch) { /* of a session that is over */
        mail_who_are_you(d->c, false, d->peer, d->envelope->request);
        return;
    }
    struct farm_held *held = held_of(m->held, m->n_held);
    struct farm_heartbeat beat = {.last_message = m->last_message,
                                  .held = held,
                                  .held_count = (uint32_t)m->n_held,
                                  .memory_bytes = m->memory_bytes,
                                  .outbox_count = m->outbox_count,
                                  .draining = m->draining,
                                  .disk_low = m->disk_low,
                                  .disk_free_bytes = m->disk_free_bytes};
    farm_heartbeat(d->c->farm, d->session->epoch, &beat, d->now_ns);
    free(held);
    Farm__HeartbeatSeen seen = FARM__HEARTBEAT_SEEN__INIT;
    seen.session = d->session->epoch;
    (void)outbound_reply(&d->c->outbound, false, d->peer, d->envelope->request,
                         FARM__ENVELOPE__BODY_HEARTBEAT_SEEN, &seen.base, OUTBOUND_ALWAYS);
}

static void progress(struct dispatch *d)
{
    const Farm__Progress *m = d->envelope->progress;
    struct farm_held at = {.attempt = attempt_of(m->attempt),
                           .phase = (enum attempt_phase)m->phase,
                           .step = m->step,
                           .steps = m->steps,
                           .amount = m->amount};
    farm_progress(d->c->farm, d->session->epoch, &at, d->now_ns);
}

static void started(struct dispatch *d)
{
    struct attempt_key key = attempt_of(d->envelope->started->attempt);
    farm_started(d->c->farm, d->session->epoch, &key, d->now_ns);
}

static void handed_back(struct dispatch *d)
{
    const Farm__HandedBack *m = d->envelope->handed_back;
    struct attempt_key key = attempt_of(m->attempt);
    const bool lacks_inputs = m->reason == FARM__HAND_BACK_REASON__HAND_BACK_RECALLED &&
                              farm_is_wanted(d->c->farm, d->sender->name, &key);
    farm_handed_back(d->c->farm, d->session->epoch, &key, (enum hand_back_reason)m->reason,
                     m->message, d->now_ns);
    if (lacks_inputs) assign_inputs_check(d->c, &key.task);
}

static void ended(struct dispatch *d)
{
    static const enum attempt_end ends[] = {
        [FARM__END_KIND__END_NONE] = END_FAILED,       [FARM__END_KIND__END_FAILED] = END_FAILED,
        [FARM__END_KIND__END_HUNG] = END_HUNG,         [FARM__END_KIND__END_RECIPE] = END_RECIPE,
        [FARM__END_KIND__END_CANCELED] = END_CANCELED,
    };
    const Farm__Ended *m = d->envelope->ended;
    struct farm_ended e = {.attempt = attempt_of(m->attempt),
                           .end = ends[m->kind],
                           .message = m->message,
                           .log_tail = m->log_tail,
                           .steps_computed = m->steps_computed};
    farm_ended(d->c->farm, d->session->epoch, &e, d->now_ns);
}

static void canary_done(struct dispatch *d)
{
    const Farm__CanaryDone *m = d->envelope->canary_done;
    struct digest frames;
    struct canary_out out;
    if (farm_canary_out(d->c->farm, d->session->epoch, m->number, &out)) {
        canaries_hear(d->c, d->session->epoch, &out, m, d->now_ns);
        return;
    }
    bool rendered = codec_digest_get(&m->frames_sha256, &frames);
    farm_canary_done(d->c->farm, d->session->epoch, m->number, rendered ? &frames : NULL,
                     m->message, d->now_ns);
}

static void leaving(struct dispatch *d)
{
    const Farm__Leaving *m = d->envelope->leaving;
    farm_leaving(d->c->farm, d->session->epoch, m->reason, m->drained, d->now_ns);
}

/* ---- results
 * ---------------------------------------------------------------------------------------- */

static void fill_outputs(const Farm__Offer *m, struct farm_offer *offer)
{
    offer->output_count = (uint32_t)m->n_outputs;
    for (size_t i = 0; i < m->n_outputs; i++) {
        const Farm__Output *o = m->outputs[i];
        struct output *out = &offer->outputs[i];
        (void)snprintf(out->kind, sizeof(out->kind), "%s", o->kind);
        (void)codec_digest_get(&o->sha256, &out->sha256);
        (void)codec_digest_get(&o->frames_sha256, &out->frames_sha256);
        out->size_bytes = o->size_bytes;
        out->frames = o->frames;
        out->width = o->width;
        out->height = o->height;
    }
}

static void offer(struct dispatch *d)
{
    const Farm__Offer *m = d->envelope->offer;
    struct error err = {0};
    struct farm_offer o = {.attempt = attempt_of(m->attempt),
                           .fingerprint = m->fingerprint,
                           .steps_computed = m->steps_computed,
                           .steps_wasted = m->steps_wasted,
                           .render_ms = m->render_ms};
    struct offer_claim claim;
    fill_outputs(m, &o);
    (void)codec_digest_get(&m->recipe_digest, &claim.recipe);
    (void)codec_digest_get(&m->model_digest, &claim.model);
    if (!offer_judge(d->c, &claim, &o, &err)) { /* the worker offers again at its next hello */
        log_paced(&d->c->paces.offer, d->now_ns, LOG_ERROR,
                  "an offer of worker=%s cannot be judged: %s", d->sender->name, err.message);
        return;
    }
    if (reports_is_one(m))
        reports_offer(d->c, d->session->epoch, m, &o);
    else
        uploads_offer(d->c->uploads, d->session->epoch, d->sender->name, &o);
}

static void checkpoint(struct dispatch *d)
{
    const Farm__Checkpoint *m = d->envelope->checkpoint;
    struct error err = {0};
    struct offer_claim claim = {.recipe = {{0}}};
    struct farm_checkpoint k = {
        .attempt = attempt_of(m->attempt),
        .fingerprint = m->fingerprint,
        .step = m->step,
        .leaving = m->leaving,
        .output = {.kind = "checkpoint", .size_bytes = m->size_bytes, .frames = m->step}};
    (void)codec_digest_get(&m->sha256, &k.output.sha256);
    (void)codec_digest_get(&m->recipe_digest, &claim.recipe);
    if (!offer_judge_checkpoint(d->c, &claim, &k, &err)) {
        log_paced(&d->c->paces.checkpoint, d->now_ns, LOG_ERROR,
                  "a checkpoint of worker=%s cannot be judged: %s", d->sender->name, err.message);
        return;
    }
    checkpoint_uploads_offer(d->c->checkpoints, d->session->epoch, d->sender->name, &k);
}

static void chunk(struct dispatch *d)
{
    const Farm__Chunk *m = d->envelope->chunk;
    if (m->attempt == NULL) return; /* a submit's, on the wrong socket */
    struct attempt_key key = attempt_of(m->attempt);
    if (m->output == CHECKPOINT_OUTPUT) {
        checkpoint_uploads_chunk(d->c->checkpoints, d->session->epoch, d->sender->name, &key,
                                 m->offset, d->message->payload);
        return;
    }
    uploads_chunk(d->c->uploads, d->session->epoch, d->sender->name, &key, m->output, m->offset,
                  d->message->payload);
}

/* ---- models
 * ------------------------------------------------------------------------------------------- */

static void model_wanted(struct dispatch *d)
{
    file_server_model(d, &d->envelope->model_wanted->digest);
}

static void file_wanted(struct dispatch *d)
{
    file_server_model_part(d, d->envelope->file_wanted);
}

static const struct dispatch_row rows[] = {
    {FARM__ENVELOPE__BODY_HELLO, hello, true},
    {FARM__ENVELOPE__BODY_JOIN, joining_again, false},
    {FARM__ENVELOPE__BODY_HEARTBEAT, heartbeat, true},
    {FARM__ENVELOPE__BODY_PROGRESS, progress, true},
    {FARM__ENVELOPE__BODY_STARTED, started, true},
    {FARM__ENVELOPE__BODY_HANDED_BACK, handed_back, true},
    {FARM__ENVELOPE__BODY_ENDED, ended, true},
    {FARM__ENVELOPE__BODY_OFFER, offer, true},
    {FARM__ENVELOPE__BODY_CHUNK, chunk, true},
    {FARM__ENVELOPE__BODY_CHECKPOINT, checkpoint, true},
    {FARM__ENVELOPE__BODY_CANARY_DONE, canary_done, true},
    {FARM__ENVELOPE__BODY_MODEL_WANTED, model_wanted, false},
    {FARM__ENVELOPE__BODY_FILE_WANTED, file_wanted, false},
    {FARM__ENVELOPE__BODY_LEAVING, leaving, true},
};

const struct dispatch_row *dispatch_worker_rows(size_t *count_out)
{
    *count_out = sizeof(rows) / sizeof(rows[0]);
    return rows;
}

/* One row of a table a message. */
#include "coordinator/mail.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log_pace.h"
#include "coordinator/assign_inputs.h"
#include "coordinator/checkpoint_uploads.h"
#include "coordinator/reply.h"
#include "coordinator/shell.h"
#include "coordinator/task_place.h"
#include "coordinator/uploads.h"

#define LIMIT_LAST_MS (24 * 3600 * 1000)

struct letter {
    struct coordinator *c;
    const struct effect_message *message;
    struct session *session; /* NULL: it is gone */
    struct reply memory;
    Farm__Attempt attempt;
};

static void post(struct letter *l, Farm__Envelope__BodyCase body, ProtobufCMessage *message)
{
    if (l->session == NULL) return;
    (void)outbound_reply(&l->c->outbound, false, l->session->control, 0, body, message,
                         OUTBOUND_COMMITTED);
}

static void welcome(struct letter *l)
{
    Farm__Welcome m = FARM__WELCOME__INIT;
    if (l->session != NULL) m.version = l->session->version;
    m.session = l->message->session;
    m.heartbeat_ms = l->message->heartbeat_ms;
    m.name = reply_name(&l->memory, l->message->worker, LIMIT_NAME_BYTES);
    post(l, FARM__ENVELOPE__BODY_WELCOME, &m.base);
}

static void close_session(struct letter *l)
{
    if (l->session == NULL) return;
    struct error why = {0};
    error_set(&why, ERROR_STATE, "%s", l->message->text);
    mail_bye(l->c, false, l->session->control, 0, &why);
    session_remove(&l->c->sessions, l->session);
}

/* Those of the first model. */
static void fill_loras(struct letter *l, Farm__Assign *m, const json_t *loras)
{
    const json_t *lora;
    size_t i;
    if (loras == NULL) return;
    m->loras = reply_alloc(&l->memory, LIMIT_LORAS, sizeof(*m->loras));
    json_array_foreach(loras, i, lora)
    {
        struct digest digest;
        const char *hex = json_string_value(json_object_get(lora, "digest"));
        if (m->n_loras < LIMIT_LORAS && hex != NULL && digest_parse(hex, &digest))
            m->loras[m->n_loras++] = reply_digest(&l->memory, &digest);
    }
}

/* Of a model: its folder may be gone since it was chosen. */
static bool fill_model_canary(struct letter *l, Farm__Assign *m, struct error *err)
{
    const struct model *model = models_find_digest(l->c->models, &l->message->model);
    if (model == NULL || model->canary.recipe == NULL)
        return error_set(err, ERROR_NOT_FOUND, "the model has no canary any more");
    m->own = true;
    m->recipe = reply_copy(&l->memory, model->canary.recipe);
    m->model = reply_name(&l->memory, model->name, LIMIT_NAME_BYTES);
    m->model_digest = reply_digest(&l->memory, &model->digest);
    return true;
}

static bool fill_canary(struct letter *l, Farm__Assign *m, struct error *err)
{
    static const struct digest pattern = {{0}};
    struct coordinator *c = l->c;
    if (!digest_equal(&l->message->model, &pattern)) return fill_model_canary(l, m, err);
    m->recipe = reply_copy(&l->memory, c->canary.recipe);
    m->model = reply_name(&l->memory, "pattern", LIMIT_NAME_BYTES);
    m->model_digest = reply_digest(&l->memory, &c->canary_model);
    return true;
}

/* The clip's recipe as canonical text (the worker knows the plan from it, too), the model that
 * renders the task and the LoRAs that change it. */
static void fill_recipe(struct letter *l, Farm__Assign *m, const struct task_place *place)
{
    m->recipe = reply_copy(&l->memory, place->recipe.text);
    m->model = reply_name(&l->memory, place->model_name, LIMIT_NAME_BYTES);
    m->model_digest = reply_digest(&l->memory, &place->model);
    if (place->task.stage == 0) fill_loras(l, m, place->recipe.loras);
}

static bool fill_task(struct letter *l, Farm__Assign *m, struct error *err)
{
    struct task_place place;
    const struct effect_message *message = l->message;
    bool ok = task_place_find(&place, l->c, &message->attempt.task, err);
    if (ok) fill_recipe(l, m, &place);
    ok = ok && assign_inputs_fill(l->c, message, &place, &l->memory, m, err);
    task_place_finish(&place);
    return ok;
}

static uint32_t in_ms(int64_t limit_ns)
{
    int64_t ms = limit_ns / NS_PER_MS;
    return (uint32_t)(ms < 1 ? 1 : ms > LIMIT_LAST_MS ? LIMIT_LAST_MS : ms);
}

/* The core is told after the turn (assign_inputs.h). A heartbeat would not show it: nothing with
 * this number or a later one may ever reach the worker. Of a canary its limit does. */
static void not_made(struct letter *l, bool noted, const struct error *err)
{
    const struct task_key *task = &l->message->attempt.task;
    log_paced(&l->c->paces.unassigned, shell_now(l->c), LOG_ERROR, "cannot assign %s/%u.%u: %s",
              task->batch, task->clip, task->task, err->message);
    if (!noted && !l->message->canary) assign_inputs_note_unmade(l->c, l->message, err->message);
}

static void assign(struct letter *l)
{
    struct error err = {0};
    Farm__Assign m = FARM__ASSIGN__INIT;
    const size_t noted = l->c->missing.count;
    if (l->session == NULL) return;
    const bool ok = l->message->canary ? fill_canary(l, &m, &err) : fill_task(l, &m, &err);
    if (!ok) {
        not_made(l, l->c->missing.count > noted, &err);
        return;
    }
    m.message = l->message->number;
    m.attempt = &l->attempt;
    m.slot = l->message->slot;
    m.prefetch = l->message->prefetch;
    m.canary = l->message->canary;
    m.limit_ms = in_ms(l->message->limit_ns);
    if (l->message->around_limit_ns > 0) m.around_limit_ms = in_ms(l->message->around_limit_ns);
    post(l, FARM__ENVELOPE__BODY_ASSIGN, &m.base);
}

static void cancel(struct letter *l)
{
    Farm__Cancel m = FARM__CANCEL__INIT;
    m.message = l->message->number;
    m.attempt = &l->attempt;
    m.why = reply_text(&l->memory, l->message->text, LIMIT_TEXT_BYTES);
    post(l, FARM__ENVELOPE__BODY_CANCEL, &m.base);
}

static void recall(struct letter *l)
{
    Farm__Recall m = FARM__RECALL__INIT;
    m.message = l->message->number;
    m.attempt = &l->attempt;
    post(l, FARM__ENVELOPE__BODY_RECALL, &m.base);
}

static void drain(struct letter *l)
{
    Farm__Drain m = FARM__DRAIN__INIT;
    m.message = l->message->number;
    m.grace_ms = (uint64_t)(l->message->grace_ns / NS_PER_MS);
    post(l, FARM__ENVELOPE__BODY_DRAIN, &m.base);
}

static void credit(struct letter *l)
{
    Farm__Credit m = FARM__CREDIT__INIT;
    m.attempt = &l->attempt;
    m.output = l->message->output;
    m.offset = l->message->offset;
    m.size_bytes = l->message->size_bytes;
    post(l, FARM__ENVELOPE__BODY_CREDIT, &m.base);
}

static void stored(struct letter *l)
{
    Farm__Stored m = FARM__STORED__INIT;
    m.attempt = &l->attempt;
    post(l, FARM__ENVELOPE__BODY_STORED, &m.base);
    uploads_stored(l->c->uploads, l->message->worker, &l->message->attempt);
    checkpoint_uploads_end(l->c->checkpoints, l->message->worker, &l->message->attempt, 0);
}

static void dropped(struct letter *l)
{
    Farm__Dropped m = FARM__DROPPED__INIT;
    m.attempt = &l->attempt;
    m.reason = (Farm__DropReason)l->message->drop;
    m.message = reply_text(&l->memory, l->message->text, LIMIT_TEXT_BYTES);
    post(l, FARM__ENVELOPE__BODY_DROPPED, &m.base);
    uploads_discard(l->c->uploads, l->message->worker, &l->message->attempt);
}

static void checkpoint_seen(struct letter *l)
{
    Farm__CheckpointSeen m = FARM__CHECKPOINT_SEEN__INIT;
    m.attempt = &l->attempt;
    m.step = l->message->step;
    m.kept = l->message->kept;
    post(l, FARM__ENVELOPE__BODY_CHECKPOINT_SEEN, &m.base);
    checkpoint_uploads_end(l->c->checkpoints, l->message->worker, &l->message->attempt,
                           l->message->step);
}

static void (*const writers[EFFECT_KIND_COUNT])(struct letter *l) = {
    [EFFECT_WELCOME] = welcome, [EFFECT_CLOSE_SESSION] = close_session,
    [EFFECT_ASSIGN] = assign,   [EFFECT_CANCEL] = cancel,
    [EFFECT_RECALL] = recall,   [EFFECT_DRAIN] = drain,
    [EFFECT_CREDIT] = credit,   [EFFECT_STORED] = stored,
    [EFFECT_DROPPED] = dropped, [EFFECT_CHECKPOINT_SEEN] = checkpoint_seen,
};

static void write_letter(struct coordinator *c, const struct effect *e)
{
    struct letter l = {.c = c, .message = &e->message};
    reply_init(&l.memory);
    l.session = session_find(&c->sessions, e->message.session);
    l.attempt = (Farm__Attempt)FARM__ATTEMPT__INIT;
    l.attempt.batch = reply_name(&l.memory, e->message.attempt.task.batch, ID_BATCH_LENGTH);
    l.attempt.clip = e->message.attempt.task.clip;
    l.attempt.task = e->message.attempt.task.task;
    l.attempt.fence = e->message.attempt.fence;
    writers[e->kind](&l);
    reply_finish(&l.memory);
}

void mail_pack(struct coordinator *c)
{
    const struct effects *list = farm_effects(c->farm);
    for (size_t i = 0; i < list->count; i++) {
        if (writers[list->items[i].kind] != NULL) write_letter(c, &list->items[i]);
    }
}

void mail_who_are_you(struct coordinator *c, bool to_client, zsock_peer peer, uint64_t request)
{
    Farm__WhoAreYou m = FARM__WHO_ARE_YOU__INIT;
    (void)outbound_reply(&c->outbound, to_client, peer, request, FARM__ENVELOPE__BODY_WHO_ARE_YOU,
                         &m.base, OUTBOUND_ALWAYS);
}

void mail_bye(struct coordinator *c, bool to_client, zsock_peer peer, uint64_t request,
              const struct error *why)
{
    struct reply r;
    Farm__Bye m = FARM__BYE__INIT;
    reply_init(&r);
    m.code = reply_text(&r, error_name(why->code), LIMIT_BACKEND_BYTES);
    m.message = reply_text(&r, why->message, LIMIT_TEXT_BYTES);
    (void)outbound_reply(&c->outbound, to_client, peer, request, FARM__ENVELOPE__BODY_BYE, &m.base,
                         OUTBOUND_ALWAYS);
    reply_finish(&r);
}
